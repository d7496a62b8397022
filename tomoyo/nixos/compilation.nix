# The derivations of a policy: its source, and the set that `tomoyo compile` makes of it.
#
# Of `pkgs` these need runCommand and writeText alone, and of the builder's shell cp, mkdir and sed.
{ lib, pkgs }:
let
  inherit (lib) concatMapStrings concatStringsSep escapeShellArg mapAttrsToList optionalString;
  render = import ./render.nix { inherit lib; };

  # What a user gave as a text or as a path, as one word of a shell script.
  file = name: value: escapeShellArg (
    if lib.isString value && !(lib.hasPrefix "/" value) then pkgs.writeText name (render.ended value)
    # By a name of ours: not every name of a file may be one in the store.
    else if builtins.isPath value then builtins.path { name = "tomoyo-${name}"; path = value; }
    else "${value}"
  );

  # In one word, as a name may begin with a dash.
  pairs = option: mapAttrsToList (name: value: escapeShellArg "${option}=${name}=${value}");

  # The services to whose policies something is added.
  extended = lib.filterAttrs (_: service: service.extraPolicy != "");

  # Nothing here takes long enough for another machine to be worth asking.
  locally = { preferLocalBuild = true; allowSubstitutes = false; };
in
{
  # The kernel's mode in each state.
  modes = { disable = "disabled"; learn = "learning"; permissive = "permissive"; enforce = "enforcing"; };

  # Folders of policy: `system` has what concerns all, `policies/NAME` one policy each, `library/NAME` what is added to the
  # library's policy for a service.
  #
  # A policy is left as it was given, so that what `compile` says about its lines holds for the files that were given.  Its state
  # stands beside it, in state.conf, which `compile` gives to all of its domains.
  source = { policies, services ? { }, modules, moduleNumbers, exceptionPolicy, profiles, managers, quotas, places ? "" }:
    pkgs.runCommand "tomoyo-policy-source" locally (''
      mkdir -p $out/system/domains $out/system/exceptions $out/system/modules $out/policies
      put() {
        if test -e "$out/$2" || test -h "$out/$2"; then
          echo "$2: the policy has this file already, which the options make" >&2
          exit 1
        fi
        cp -- "$1" "$out/$2"
      }
      put ${pkgs.writeText "profile.conf" profiles} system/profile.conf
      put ${pkgs.writeText "manager.conf" managers} system/manager.conf
      put ${pkgs.writeText "tomoyo.conf" ''
        <kernel> nix:/tomoyo/bin/tomoyo
        use_profile 0
      ''} system/domains/tomoyo.conf
      put ${pkgs.writeText "tomoyo.conf" ''
        initialize_domain nix:/tomoyo/bin/tomoyo from any
        ${places}''} system/exceptions/tomoyo.conf
    ''
    + optionalString (quotas != "") "put ${pkgs.writeText "stat.conf" quotas} system/stat.conf\n"
    + optionalString (moduleNumbers != { }) "put ${pkgs.writeText "module-numbers.conf" (render.numbers moduleNumbers)} system/module-numbers.conf\n"
    + optionalString (exceptionPolicy != "")
      "put ${pkgs.writeText "exception-policy.conf" (render.ended exceptionPolicy)} system/exceptions/system.conf\n"
    + lib.concatStrings (mapAttrsToList
      (name: value: "put ${file "${name}.conf" value} ${escapeShellArg "system/modules/${name}.conf"}\n")
      modules)
    + lib.concatStrings (mapAttrsToList
      (name: policy:
        let
          given = if policy.text != null then pkgs.writeText "${name}.conf" (render.ended policy.text) else file name policy.path;
          folder = escapeShellArg "policies/${name}";
        in
        ''
          if test -d ${given}; then
            cp -rL -- ${given} $out/${folder}
            chmod -R u+w $out/${folder}
          else
            mkdir -p $out/${folder}/domains
            put ${given} ${folder}/domains/${escapeShellArg "${name}.conf"}
          fi
        ''
        + optionalString (policy.exceptions != "") ''
          mkdir -p $out/${folder}/exceptions
          put ${pkgs.writeText "${name}-exceptions.conf" (render.ended policy.exceptions)} ${folder}/exceptions/${escapeShellArg "${name}.extra.conf"}
        ''
        + ''
          rm -rf -- $out/${folder}/state.conf
          put ${pkgs.writeText "state.conf" "${policy.state}\n"} ${folder}/state.conf
        '')
      policies)
    + lib.concatStrings (mapAttrsToList
      (name: service:
        let folder = escapeShellArg "library/${name}";
        in
        ''
          mkdir -p $out/${folder}/domains
          put ${pkgs.writeText "${name}.conf" (render.ended service.extraPolicy)} ${folder}/domains/${escapeShellArg "${name}.conf"}
          put ${pkgs.writeText "state.conf" "library\n"} ${folder}/state.conf
        '')
      (extended services)));

  # The compiled set.  Any error fails the build, and with it that of the system.
  #
  # `links` are symbolic links that the system will have outside the store, path to target.  In the sandbox the store belongs to
  # nobody that the builder knows, so the set is written where the builder is at home, and copied.
  policy = { package, source, policyNames, services ? { }, closure, packages, links, shell, path, options }:
    pkgs.runCommand "tomoyo-policy" (locally // { inherit source closure; }) ''
      ${escapeShellArg "${package}/bin/tomoyo"} compile ${concatStringsSep " " (
        [ "--quiet" "--closure-file" "\"$closure/registration\"" ]
        ++ pairs "--package" packages
        ++ pairs "--link" links
        ++ map escapeShellArg (
          [ "--boot-shell=${shell}" ]
          ++ map (package: "--boot-path=${package}/bin") path
          ++ options
          ++ mapAttrsToList (name: service: "--library=${name}=${service.state}") services
        )
        ++ [ "--output" "\"$NIX_BUILD_TOP/policy\"" "\"$source/system\"" ]
        ++ map (name: "\"$source\"/${escapeShellArg "policies/${name}"}") policyNames
        ++ map (name: "\"$source\"/${escapeShellArg "library/${name}"}") (lib.attrNames (extended services))
      )}
      cp -r "$NIX_BUILD_TOP/policy" $out
    '';
}
