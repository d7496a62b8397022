# TOMOYO on finix.
#
# finix has no place beside the activation script from which the top level could refer to the policy, so the closure is that of a
# second evaluation of the same system, in which the policy is an empty file.  Its /etc and activation script are others than the
# system's: programs that are called through a link below /etc have no binding there.
{ config, options, extendModules, lib, pkgs, ... }:
let
  inherit (lib) mkIf mkMerge mkOption optionalAttrs types;
  cfg = config.security.tomoyo;
  inherit (cfg.build) commands policy;

  finit = "${config.finit.package}/bin/finit";

  # PID 1 is executed by the name that init= has, which holds the hash of the top level and so cannot stand in that top level's
  # kernel parameters.  This script, executed in finit's place, executes finit by a name that can; finit takes the system from
  # argv[0], which therefore stays.
  init = pkgs.writeScript "tomoyo-init" ''
    #!${pkgs.runtimeShell}
    exec -a "$0" ${finit} "$@"
  '';
  # Executing this makes the kernel call the loader; it does nothing itself.
  trigger = pkgs.writeScript "tomoyo-trigger" ''
    #!${pkgs.runtimeShell}
    exit 0
  '';

  # The system as it is without the policy.
  unconfined = extendModules {
    modules = [
      {
        security.tomoyo.build.policy = lib.mkOverride 0 (pkgs.writeText "tomoyo-policy" "");
        specialisation = lib.mkOverride 0 { };
      }
    ];
  };

  # finit splits commands at blanks, begins a description at `--`, and cuts long words and commands.
  line = words:
    if lib.all (word: lib.match "[A-Za-z0-9,._+:@/=-]{1,250}" word != null && word != "--") words
      && builtins.stringLength (lib.concatStringsSep " " words) < 1000 then lib.concatStringsSep " " words
    else toString (pkgs.writeScript "tomoyo-command" ''
      #!${pkgs.runtimeShell}
      exec ${lib.escapeShellArgs words}
    '');

  # finit has no such settings: a program of util-linux takes capabilities and variables away.  With no capability left a hole in
  # what reads records is neither one in the kernel nor, by ptrace, one in what may change policy.
  reading = words: line ([
    "${pkgs.util-linux}/bin/setpriv"
    "--reset-env"
    "--no-new-privs"
    "--bounding-set=-all"
    "--inh-caps=-all"
    "--clear-groups"
  ] ++ words);

  service = attributes: { runlevels = "S12345"; conditions = [ "task/tomoyo/success" ]; log = true; } // attributes;
in
{
  imports = [ ./core.nix ];

  options = {
    security.tomoyo.finit.trigger = mkOption {
      type = types.enum [ "init" "activation" ];
      default = "init";
      example = "activation";
      description = ''
        When TOMOYO becomes active at boot. `init`: when finit is executed as PID 1, through a script in `boot.init`, so that
        every process of the system is confined. `activation`: when the activation script executes a program for that; `boot.init`
        stays as it is, and PID 1 stays in the domain `<kernel>`.
      '';
    };
    # finix asks each file system's type for such an option.
    boot.supportedFilesystems.securityfs.enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether `securityfs` may be mounted: the kernel's interface to TOMOYO, which `security.tomoyo.enable` mounts.";
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      assertions = [
        {
          assertion = config.boot.kernel.enable;
          message = "security.tomoyo.enable: a container has no kernel of its own (boot.kernel.enable). Enable TOMOYO on the host.";
        }
        {
          assertion = !(lib.any (lib.hasPrefix "security=") config.boot.kernelParams);
          message = "security.tomoyo.enable: boot.kernelParams has 'security=', which chooses one security module; name all of them in security.tomoyo.kernel.lsm instead.";
        }
        {
          assertion = lib.length (lib.filter (lib.hasPrefix "lsm=") config.boot.kernelParams) == 1;
          message = "security.tomoyo.enable: boot.kernelParams has a second 'lsm='; name all security modules in security.tomoyo.kernel.lsm instead.";
        }
        {
          assertion = lib.length (lib.filter (lib.hasPrefix "TOMOYO_") config.boot.kernelParams) == 2;
          message = "security.tomoyo.enable: boot.kernelParams sets TOMOYO_loader= or TOMOYO_trigger= a second time.";
        }
        {
          assertion = cfg.finit.trigger == "init" -> toString config.boot.init == toString init;
          message = "security.tomoyo.finit.trigger: 'init' needs boot.init for itself, and another value is set there. Use 'activation'.";
        }
        {
          assertion = cfg.finit.trigger == "activation" -> config.system.activation.enable;
          message = "security.tomoyo.finit.trigger: 'activation' needs system.activation.enable.";
        }
      ];

      security.tomoyo.build.closureRoots = [ unconfined.config.system.topLevel ];

      security.tomoyo.build.path = [ config.programs.coreutils.package pkgs.util-linux ];
      security.tomoyo.build.links = {
        "/run/current-system" = unconfined.config.system.topLevel;
        "/bin/sh" = config.environment.binsh;
        "/usr/bin/env" = "${config.programs.coreutils.package}/bin/env";
      };

      boot.kernelPatches = lib.optional cfg.kernel.configure cfg.build.kernelPatch;
      # At that time there is nothing but the store: the loader is there, and mounts what it needs.
      boot.kernelParams = [
        cfg.build.lsm
        "TOMOYO_loader=${policy}/boot"
        "TOMOYO_trigger=${if cfg.finit.trigger == "init" then finit else trigger}"
      ];

      fileSystems."/sys/kernel/security" = {
        device = "securityfs";
        fsType = "securityfs";
        options = [ "nosuid" "nodev" "noexec" ];
        noCheck = true;
      };

      environment.systemPackages = [ cfg.package ];

      system.activation.scripts.tomoyo = {
        deps = [ ];
        text = lib.optionalString (cfg.finit.trigger == "activation") ''
          ${trigger}
        '' + ''
          # At a switch: at boot this link is not there yet, and the kernel's loader does it.
          if [ -e /run/booted-system ] && [ -e /sys/kernel/security/tomoyo/version ]; then
            # The command of the generation that is in force: the next one's is a stranger to the policy as yet.
            tomoyo=/run/current-system/sw/bin/tomoyo
            [ -x "$tomoyo" ] || tomoyo=${lib.escapeShellArg "${cfg.package}/bin/tomoyo"}
            "$tomoyo" ${lib.escapeShellArgs (lib.tail commands.activate)} ${policy}
          fi
        '';
      };

      # A task runs again when its file changes, which is when the policy does.
      finit.tasks = {
        tomoyo = {
          description = "TOMOYO policy";
          runlevels = "S12345";
          log = true;
          command = line (commands.activate ++ [ "${policy}" ]);
        };
        tomoyo-gc = service {
          description = "Removal of TOMOYO bindings and domains out of use";
          command = line commands.gc;
        };
      };
      environment.etc."finit.d/tomoyo-gc.conf".text = lib.mkAfter ''

        # once more after each change of the policy
        # ${policy}
      '';

      finit.services =
        optionalAttrs cfg.audit.enable {
          tomoyo-audit = service { description = "TOMOYO audit log"; command = reading commands.audit; };
        }
        // optionalAttrs cfg.notify.enable {
          tomoyo-notify = service { description = "Notification of what TOMOYO denies"; command = reading commands.notify; };
        }
        // optionalAttrs cfg.query.enable {
          tomoyo-query = service { description = "Answers to what TOMOYO would deny"; command = reading commands.query; };
        };

      finit.tmpfiles.rules = [ "d /var/lib/tomoyo 0700" ]
        ++ lib.optional cfg.audit.enable "d ${cfg.audit.directory} 0700"
        ++ lib.optional cfg.learning.save.enable "d ${cfg.learning.save.directory} 0700";

      # Without a scheduler nothing comes of these.
      providers.scheduler.tasks = {
        tomoyo-gc = { interval = cfg.gc.interval; command = line commands.gc; };
      }
      // optionalAttrs cfg.learning.save.enable {
        tomoyo-save = { interval = cfg.learning.save.interval; command = reading commands.save; };
      };
    }
    (mkIf (cfg.finit.trigger == "init") { boot.init = init; })
  ]);
}
