# What the options become, still without a platform: a policy source, the derivation that compiles it for the system's
# closure, and the commands that services run.  The adapters read `security.tomoyo.build` and set `build.closureRoots`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mapAttrs' mapAttrsToList mkDefault mkIf mkOption nameValuePair types;
  cfg = config.security.tomoyo;
  render = import ./render.nix { inherit lib; };
  compilation = import ./compilation.nix { inherit lib pkgs; };
  states = import ./states.nix;
  services = import ./services.nix;
  wanted = lib.filterAttrs (_: service: service.enable) cfg.library;

  named = option: first: set:
    mapAttrsToList
      (key: _: {
        assertion = lib.match "[${first}][A-Za-z0-9_+.-]{0,63}" key != null;
        message = "security.tomoyo.${option}: '${key}' is no name: at most 64 letters, digits and -_+. that begin with one of ${first}.";
      })
      set;

  tool = "${cfg.package}/bin/tomoyo";

  daemons = [ cfg.audit cfg.learning.save cfg.notify cfg.query ];
  queryDomain = "<kernel> nix:/tomoyo/bin/tomoyo-query";

  # The query daemon's rules: a file of the store by a name of ours, which its policy has, or what is there when it runs.
  given = cfg.query.rules;
  isRuntimePath = lib.isString given && lib.hasPrefix "/" given && !(lib.hasPrefix builtins.storeDir given);
  rules =
    if isRuntimePath then given
    else if builtins.isPath given then builtins.path { name = "tomoyo-query-rules"; path = given; }
    else if lib.isString given && !(lib.hasPrefix "/" given) then pkgs.writeText "tomoyo-query-rules" (render.ended given)
    else pkgs.runCommand "tomoyo-query-rules" { } "cp -- ${lib.escapeShellArg "${given}"} $out";

  # What the notifying daemon may execute: one program without arguments.  Nothing of the daemon's environment reaches the command,
  # and none of it changes what the shell does.
  notifyCommand = pkgs.runCommand "tomoyo-notify-command" { } ''
    mkdir -p $out/bin
    cp ${pkgs.writeScript "command" ''
      #!${pkgs.runtimeShell} -p
      exec ${pkgs.coreutils}/bin/env -i PATH=/run/current-system/sw/bin TOMOYO_DENIALS="$TOMOYO_DENIALS" ${lib.escapeShellArgs cfg.notify.command}
    ''} $out/bin/tomoyo-notify-command
  '';

  internal = description: attributes: mkOption ({ internal = true; inherit description; } // attributes);
in
{
  imports = [ ./options.nix ];

  options.security.tomoyo.build = {
    closureRoots = internal "What the platform counts as the system, without the policy itself." {
      type = types.listOf (types.either types.path types.package);
    };
    links = internal "Symbolic links outside the store by which programs are executed, path to target." {
      type = types.attrsOf types.path;
      default = { };
    };
    path = internal "Packages with cat, ls and mount, for a boot loader whose shell has none inside." {
      type = types.listOf types.package;
      default = [ pkgs.coreutils pkgs.util-linux ];
    };
    source = internal "The policy source: the folder that is compiled." { type = types.package; readOnly = true; };
    closure = internal "The closure that names are looked up in, as closureInfo gives it." { type = types.package; readOnly = true; };
    policy = internal "The compiled set." { type = types.package; };
    commands = internal "Commands of the services, as lists of words." { type = types.attrsOf (types.listOf types.str); readOnly = true; };
    kernelPatch = internal "The entry of boot.kernelPatches." { type = types.attrs; readOnly = true; };
    lsm = internal "The kernel parameter that names all security modules." { type = types.str; readOnly = true; };
  };

  config = mkIf cfg.enable {
    assertions = mapAttrsToList
      (key: policy: {
        assertion = (policy.text == null) != (policy.path == null);
        message = "security.tomoyo.policies.${key}: set exactly one of 'text' and 'path'.";
      })
      cfg.policies
    ++ named "policies" "A-Za-z0-9" cfg.policies
    # A number would be the kernel's own acl_group.
    ++ named "modules" "A-Za-z" cfg.modules
    ++ named "moduleNumbers" "A-Za-z" cfg.moduleNumbers
    ++ mapAttrsToList
      (key: _: {
        assertion = lib.elem key services;
        message = "security.tomoyo.library: there is no policy for '${key}'; there are ${lib.concatStringsSep ", " services}.";
      })
      cfg.library
    ++ mapAttrsToList
      (key: _: {
        assertion = lib.match "[A-Za-z0-9+._?=-]+(\\^[A-Za-z0-9+._?=-]+)?" key != null;
        message = "security.tomoyo.packages: '${key}' is no package's name, nor one with its output as in 'openssl^dev'.";
      })
      cfg.packages
    ++ lib.concatLists (mapAttrsToList
      (number: profile: [
        {
          assertion = render.isProfileNumber number;
          message = "security.tomoyo.profiles: '${number}' is no profile number; they go from 0 to 255.";
        }
      ] ++ mapAttrsToList
        (key: _: {
          assertion = lib.elem key render.functionalities;
          message = "security.tomoyo.profiles.\"${number}\".config: the kernel knows no '${key}'; it knows ${lib.concatStringsSep ", " render.functionalities}.";
        })
        profile.config)
      cfg.profiles)
    ++ lib.optional cfg.notify.enable {
      assertion = lib.hasPrefix "/" (lib.concatStrings (lib.take 1 cfg.notify.command));
      message = "security.tomoyo.notify.command: name a program by its whole path, such as \"${pkgs.util-linux}/bin/wall\".";
    }
    ++ lib.optional (cfg.query.enable && isRuntimePath) {
      assertion = render.isPlainPath given;
      message = "security.tomoyo.query.rules: a path outside the store has directories whose names consist of letters, digits and '._@+,=:-'.";
    }
    ++ mapAttrsToList
      (state: number: {
        assertion = cfg.profiles.${toString number}.default.mode == compilation.modes.${state};
        message = "security.tomoyo.profiles.\"${toString number}\".default.mode must stay '${compilation.modes.${state}}': the state '${state}' of policies uses that profile.";
      })
      states;

    security.tomoyo = {
      # A name of ours, whatever the package is called: `python3.13-tomoyo` becomes `tomoyo`.
      packages = { tomoyo = mkDefault cfg.package; }
        // lib.optionalAttrs cfg.notify.enable { tomoyo-notify-command = mkDefault notifyCommand; };

      # What reads records is confined, first of all.
      library = lib.optionalAttrs (lib.any (daemon: daemon.enable) daemons) {
        tomoyo = { enable = mkDefault true; state = mkDefault "enforce"; };
      };

      profiles = mapAttrs'
        (state: number: nameValuePair (toString number) {
          comment = mkDefault state;
          default.mode = mkDefault compilation.modes.${state};
        })
        states;

      build = {
        source = compilation.source {
          inherit (cfg) policies modules exceptionPolicy moduleNumbers;
          services = wanted;
          profiles = render.profiles { inherit (cfg.audit) maxRecords; inherit (cfg.learning) maxEntries; } cfg.profiles;
          # The kernel takes answers from managers alone; its policy lets this one do no more.
          managers = render.managers (lib.unique (cfg.managers ++ lib.optional cfg.query.enable queryDomain));
          places = lib.optionalString (wanted ? tomoyo) (render.places {
            log = cfg.audit.directory;
            saved = cfg.learning.save.directory;
            rules = if isRuntimePath then given else null;
          });
          quotas = render.quotas { inherit (cfg.quotas) policy audit query; };
        };
        closure = pkgs.closureInfo {
          rootPaths = cfg.build.closureRoots ++ cfg.extraClosureRoots ++ lib.attrValues cfg.packages ++ cfg.build.path ++ [ cfg.boot.shell ];
        };
        policy = mkDefault (compilation.policy {
          inherit (cfg) package packages;
          inherit (cfg.build) source closure links path;
          policyNames = lib.attrNames cfg.policies;
          services = wanted;
          shell = "${cfg.boot.shell}${cfg.boot.shell.shellPath or "/bin/sh"}";
          options = lib.optional cfg.strictNames "--strict-names"
            ++ lib.optional (cfg.boot.onFailure == "stop") "--no-fallback";
        });

        commands = {
          activate = [ tool "activate" ] ++ lib.optional cfg.learning.keep "--keep-learned";
          gc = [ tool "gc" ];
          audit = [ "${tool}-audit" "--output" "${cfg.audit.directory}/audit.log" ] ++ cfg.audit.extraOptions;
          notify = [ "${tool}-notify" ]
            ++ lib.optionals cfg.audit.enable [ "--follow" "${cfg.audit.directory}/audit.log" ]
            ++ cfg.notify.extraOptions
            ++ [ "--" "${notifyCommand}/bin/tomoyo-notify-command" ];
          query = [ "${tool}-query" "--no-ask" "--rules" "${rules}" ];
          save = [ "${tool}-save" cfg.learning.save.directory ];
        };

        # The kernel's configuration, under the name that the release reads: the other one is an error or ignored.
        kernelPatch = {
          name = "tomoyo";
          patch = null;
          ${if lib.versionAtLeast lib.trivial.release "25.11" then "structuredExtraConfig" else "extraStructuredConfig"} = {
            SECURITY_TOMOYO = lib.kernel.yes;
            # With it the kernel would start with an empty policy and run no loader.
            SECURITY_TOMOYO_OMIT_USERSPACE_LOADER = lib.kernel.no;
          };
        };
        lsm = "lsm=${lib.concatStringsSep "," (lib.filter (module: module != "tomoyo") cfg.kernel.lsm ++ [ "tomoyo" ])}";
      };
    };
  };
}
