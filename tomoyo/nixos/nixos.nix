# TOMOYO on NixOS.
#
# The policy is for the closure of the system that it is itself part of.  So nothing may refer to it but the top level, which is
# left out of that closure: the top level has a link `tomoyo`, and all else goes through /run/current-system/tomoyo, the
# kernel's loader included.  That also makes the kernel's parameters and the units the same in all generations.
{ config, options, lib, pkgs, ... }:
let
  inherit (lib) mkIf mkMerge optional optionalAttrs;
  cfg = config.security.tomoyo;
  inherit (cfg.build) commands;

  set = "/run/current-system/tomoyo";

  # What stage 2 executes as PID 1, and what systemd of the initial ram disk has compiled in: the kernel compares the text.
  systemd = "/run/current-system/systemd/lib/systemd/systemd";
  trigger = lib.head (lib.splitString " " (config.boot.systemdExecutable or systemd));

  hasLsmOption = options ? security && options.security ? lsm;

  arguments = lib.escapeShellArgs (lib.tail commands.activate);
  # No symbolic link is trusted but this one, which the activation script made.
  activate = pkgs.writeScript "tomoyo-activate" ''
    #!${pkgs.runtimeShell}
    exec ${lib.escapeShellArgs commands.activate} "$(${pkgs.coreutils}/bin/readlink -f ${set})"
  '';

  # One word of ExecStart: systemd reads quotes and escapes as JSON has them, and expands % and $.
  word = text:
    if lib.match "[A-Za-z0-9,._+:@/=-]+" text != null then text
    else lib.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON text);
  line = lib.concatMapStringsSep " " word;

  # What every service of TOMOYO's does without.
  confined = {
    IPAddressDeny = "any";
    KeyringMode = "private";
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateNetwork = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHostname = true;
    ProtectKernelModules = true;
    ProtectSystem = "strict";
    RestrictAddressFamilies = [ "AF_UNIX" ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    UMask = "0077";
  };

  # What changes policy, and sees all processes.
  hardened = confined // {
    CapabilityBoundingSet = [ "CAP_SYS_PTRACE" "CAP_DAC_READ_SEARCH" ];
    ProtectHome = "read-only";
    RuntimeDirectory = "tomoyo";
    RuntimeDirectoryPreserve = true;
    StateDirectory = "tomoyo";
    StateDirectoryMode = "0700";
    SystemCallFilter = [ "@system-service" ];
  };

  # What only reads.  Root, since the kernel's files belong to root; but without any capability, and the rest of the system is out
  # of sight.  As defaults, so that a configuration may take one back.
  reading = writable: lib.mapAttrs (_: lib.mkDefault) (confined // {
    CapabilityBoundingSet = "";
    DevicePolicy = "closed";
    PrivateMounts = true;
    PrivateTmp = true;
    PrivateUsers = true;
    ProcSubset = "pid";
    ProtectHome = true;
    ProtectKernelLogs = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ReadWritePaths = writable;
    SystemCallFilter = [ "@system-service" "~@privileged @resources process_vm_readv process_vm_writev" ];
  });
  unit = { ConditionSecurity = "tomoyo"; };
  saving = { unitConfig = unit; after = [ "tomoyo.service" ]; };
  daemon = description: writable: command: {
    inherit description;
    unitConfig = unit;
    after = [ "tomoyo.service" ];
    wantedBy = [ "multi-user.target" ];
    serviceConfig = reading writable // { ExecStart = line command; Restart = "always"; };
  };
  timer = interval: { wantedBy = [ "timers.target" ]; timerConfig = { OnCalendar = interval; Persistent = true; RandomizedDelaySec = 300; }; };
in
{
  imports = [ ./core.nix ];

  config = mkIf cfg.enable (mkMerge [ {
    assertions = [
      {
        assertion = !(config.boot.isContainer or false);
        message = "security.tomoyo.enable: a container has no kernel of its own (boot.isContainer). Enable TOMOYO on the host.";
      }
      {
        assertion = !(lib.any (lib.hasPrefix "security=") config.boot.kernelParams);
        message = "security.tomoyo.enable: boot.kernelParams has 'security=', which chooses one security module; name all of them in ${if hasLsmOption then "security.lsm" else "security.tomoyo.kernel.lsm"} instead.";
      }
      {
        assertion = lib.length (lib.filter (lib.hasPrefix "TOMOYO_") config.boot.kernelParams) == 2;
        message = "security.tomoyo.enable: boot.kernelParams sets TOMOYO_loader= or TOMOYO_trigger= a second time.";
      }
      {
        assertion = (config.boot.initrd.systemd.enable or false) -> trigger == systemd;
        message = "security.tomoyo.enable: with boot.initrd.systemd.enable PID 1 is ${systemd}, whatever boot.systemdExecutable says. Leave that at its default: TOMOYO becomes active when its program is executed.";
      }
      {
        assertion = lib.hasPrefix "/" trigger;
        message = "security.tomoyo.enable: boot.systemdExecutable must be an absolute path, since TOMOYO becomes active when just that text is executed.";
      }
      {
        assertion = (config.system.replaceDependencies.replacements or [ ]) == [ ];
        message = "security.tomoyo.enable: system.replaceDependencies.replacements rewrites store paths after the policy was compiled for them. Use an overlay.";
      }
    ];

    security.tomoyo.build.closureRoots = [
      # As nixpkgs does it for system.forbiddenDependenciesRegexes: attributes whose value the builder reads from its environment
      # can be taken back.  The other two look at the top level themselves.
      (config.system.build.toplevel.overrideAttrs (_: {
        tomoyoPolicy = null;
        closureInfo = null;
        systemBuildClosure = null;
      }))
    ];

    security.tomoyo.build.links = {
      "/run/current-system" = lib.head cfg.build.closureRoots;
      "/bin/sh" = config.environment.binsh;
    } // optionalAttrs (config.environment.usrbinenv != null) { "/usr/bin/env" = config.environment.usrbinenv; };

    boot.kernelPatches = optional cfg.kernel.configure cfg.build.kernelPatch;
    boot.kernelParams = [ "TOMOYO_loader=${set}/boot" "TOMOYO_trigger=${trigger}" ] ++ optional (!hasLsmOption) cfg.build.lsm;

    environment.systemPackages = [ cfg.package ];

    system = {
      systemBuilderArgs.tomoyoPolicy = cfg.build.policy;
      ${if options.system ? systemBuilderCommands then "systemBuilderCommands" else "extraSystemBuilderCmds"} = ''
        test -z "''${tomoyoPolicy:-}" || ln -s "$tomoyoPolicy" $out/tomoyo
      '';

      # Between the services that are stopped and those that are started.  At boot the kernel's loader has its turn later.
      activationScripts.tomoyo = {
        deps = [ ];
        supportsDryActivation = true;
        text = ''
          if [ -n "''${NIXOS_ACTION:-}" ] && [ -e /sys/kernel/security/tomoyo/version ]; then
            # The command of the generation that is in force: the next one's is a stranger to the policy as yet.
            tomoyo=/run/current-system/sw/bin/tomoyo
            [ -x "$tomoyo" ] || tomoyo=${lib.escapeShellArg "${cfg.package}/bin/tomoyo"}
            if [ "$NIXOS_ACTION" = dry-activate ]; then
              "$tomoyo" ${arguments} --dry-run "$(readlink -f "$systemConfig/tomoyo")"
            else
              "$tomoyo" ${arguments} "$(readlink -f "$systemConfig/tomoyo")"
              mkdir -p /run/nixos
              echo tomoyo-gc.service >> /run/nixos/activation-restart-list
            fi
          fi
        '';
      };
    };

    systemd.services = {
      # What the loader could not load at boot is loaded here or fails for all to see.
      tomoyo = {
        description = "TOMOYO policy";
        documentation = [ "man:tomoyo(1)" ];
        unitConfig = unit // { DefaultDependencies = false; };
        after = [ "local-fs.target" "systemd-tmpfiles-setup.service" ];
        before = [ "sysinit.target" "shutdown.target" ];
        conflicts = [ "shutdown.target" ];
        wantedBy = [ "sysinit.target" ];
        # The activation script has done it already.
        restartIfChanged = false;
        serviceConfig = hardened // {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${activate}";
          ExecReload = "${activate}";
        };
      };

      tomoyo-gc = {
        description = "Removal of TOMOYO bindings and domains out of use";
        unitConfig = unit;
        after = [ "tomoyo.service" ];
        serviceConfig = hardened // { Type = "oneshot"; ExecStart = line commands.gc; };
      };
    }
    // optionalAttrs cfg.audit.enable {
      tomoyo-audit = daemon "TOMOYO audit log" [ cfg.audit.directory ] commands.audit;
    }
    // optionalAttrs cfg.notify.enable {
      tomoyo-notify = daemon "Notification of what TOMOYO denies" [ ] commands.notify;
    }
    // optionalAttrs cfg.query.enable {
      # The answers are written to a file of the kernel's.
      tomoyo-query = daemon "Answers to what TOMOYO would deny" [ "/sys/kernel/security/tomoyo" ] commands.query;
    }
    // optionalAttrs cfg.learning.save.enable {
      tomoyo-save = saving // {
        description = "Saving of the TOMOYO policy, learned entries included";
        serviceConfig = reading [ cfg.learning.save.directory ] // { Type = "oneshot"; ExecStart = line commands.save; };
      };
      tomoyo-save-at-shutdown = saving // {
        description = "Saving of the TOMOYO policy at shutdown";
        wantedBy = [ "multi-user.target" ];
        restartIfChanged = false;
        serviceConfig = reading [ cfg.learning.save.directory ] // {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${pkgs.coreutils}/bin/true";
          ExecStop = line commands.save;
        };
      };
    };

    systemd.timers = { tomoyo-gc = timer cfg.gc.interval; }
      // optionalAttrs cfg.learning.save.enable { tomoyo-save = timer cfg.learning.save.interval; };

    systemd.tmpfiles.rules =
      optional cfg.audit.enable "d ${cfg.audit.directory} 0700 root root -"
      ++ optional cfg.learning.save.enable "d ${cfg.learning.save.directory} 0700 root root -";
  } (optionalAttrs hasLsmOption { security.lsm = [ "tomoyo" ]; }) ]);
}
