# The parts of NixOS that the module sets or reads, declared as NixOS declares them, and a top level that is put together the
# same way: of the units, /etc, the system path, the activation script, and commands whose arguments come from the environment.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  unit = { options = {
    description = mkOption { type = types.str; default = ""; };
    documentation = mkOption { type = types.listOf types.str; default = [ ]; };
    after = mkOption { type = types.listOf types.str; default = [ ]; };
    before = mkOption { type = types.listOf types.str; default = [ ]; };
    conflicts = mkOption { type = types.listOf types.str; default = [ ]; };
    wantedBy = mkOption { type = types.listOf types.str; default = [ ]; };
    restartIfChanged = mkOption { type = types.bool; default = true; };
    unitConfig = mkOption { type = types.attrsOf types.anything; default = { }; };
    serviceConfig = mkOption { type = types.attrsOf types.anything; default = { }; };
    timerConfig = mkOption { type = types.attrsOf types.anything; default = { }; };
  }; };
  option = type: default: mkOption { inherit type default; };
  systemPath = pkgs.runCommand "system-path" { paths = config.environment.systemPackages; } ''
    mkdir -p $out/bin
    for package in $paths; do ln -sf $package/bin/* $out/bin/; done
  '';
  units = pkgs.writeText "system-units" (builtins.toJSON { inherit (config.systemd) services timers; tmpfiles = config.systemd.tmpfiles.rules; });
  activate = ''
    #!${pkgs.bash}/bin/bash
    systemConfig=@systemConfig@
    _status=0
    trap "_status=1 _localstatus=\$?" ERR
    umask 0022
    ${lib.concatStrings (lib.mapAttrsToList (name: script: "# ${name}\n${script.text}\n") config.system.activationScripts)}
    ln -sfn "$(readlink -f "$systemConfig")" /run/current-system
    exit $_status
  '';
in
{
  options = {
    assertions = option (types.listOf types.raw) [ ];
    boot.isContainer = option types.bool false;
    boot.initrd.systemd.enable = option types.bool false;
    boot.systemdExecutable = option types.str "/run/current-system/systemd/lib/systemd/systemd";
    boot.kernelParams = option (types.listOf (types.strMatching "([^\"[:space:]]|\"[^\"]*\")+")) [ ];
    boot.kernelPatches = option (types.listOf types.attrs) [ ];
    environment.systemPackages = option (types.listOf types.package) [ ];
    environment.binsh = option types.path "${pkgs.bash}/bin/sh";
    environment.usrbinenv = option (types.nullOr types.path) "${pkgs.coreutils}/bin/env";
    systemd.services = option (types.attrsOf (types.submodule unit)) { };
    systemd.timers = option (types.attrsOf (types.submodule unit)) { };
    systemd.tmpfiles.rules = option (types.listOf types.str) [ ];
    system.activationScripts = option (types.attrsOf (types.submodule { options = {
      deps = option (types.listOf types.str) [ ];
      text = option types.lines "";
      supportsDryActivation = option types.bool false;
    }; })) { };
    system.systemBuilderCommands = option types.lines "";
    system.systemBuilderArgs = option (types.attrsOf types.unspecified) { };
    system.replaceDependencies.replacements = option (types.listOf types.raw) [ ];
    system.build.toplevel = mkOption { type = types.package; };
  };

  config = {
    environment.systemPackages = [ pkgs.bash pkgs.coreutils pkgs.hello ];
    system.systemBuilderArgs.kernelParams = config.boot.kernelParams;
    system.build.toplevel =
      let wrong = lib.filter (assertion: !assertion.assertion) config.assertions;
      in
      if wrong != [ ] then throw "Failed assertions:\n${lib.concatMapStrings (assertion: "- ${assertion.message}\n") wrong}"
      else pkgs.mkDerivation ({
        name = "nixos-system-test";
        activationScript = activate;
        passAsFile = [ "activationScript" ];
        buildCommand = ''
          mkdir $out
          ln -s ${systemPath} $out/sw
          ln -s ${pkgs.systemd} $out/systemd
          ln -s ${units} $out/units
          sed "s,@systemConfig@,$out," "$activationScriptPath" > $out/activate
          chmod +x $out/activate
          echo "$kernelParams" > $out/kernel-params
          ${config.system.systemBuilderCommands}
        '';
      } // config.system.systemBuilderArgs);
  };
}
