# The parts of finix that the module sets or reads, with a top level that, as finix' does, names everything in its text.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  stanza = kind: { name, config, ... }: {
    options = {
      description = option types.str "";
      runlevels = option types.str "234";
      conditions = option (types.coercedTo types.str (word: [ word ]) (types.listOf types.str)) [ ];
      log = option types.bool false;
      command = mkOption { type = types.either types.path types.str; };
    };
  };
  render = kind: name: service:
    "${kind} [${service.runlevels}] name:${name}"
    + lib.optionalString (service.conditions != [ ]) " <${lib.concatStringsSep "," service.conditions}>"
    + lib.optionalString service.log " log" + " ${service.command} -- ${service.description}";
  etc = pkgs.writeText "etc" (builtins.toJSON (lib.mapAttrs (_: entry: entry.text) config.environment.etc));
  activate = ''
    #!${pkgs.bash}/bin/bash
    # ${etc}
    systemConfig=@systemConfig@
    _status=0
    trap "_status=1 _localstatus=\$?" ERR
    umask 0022
    ${lib.concatStrings (lib.mapAttrsToList (name: script: "# ${name}\n${script.text}\n") config.system.activation.scripts)}
    ln -sfn "$(readlink -f "$systemConfig")" /run/current-system
    exit $_status
  '';
  systemPath = pkgs.runCommand "system-path" { paths = config.environment.systemPackages; } ''
    mkdir -p $out/bin
    for package in $paths; do ln -sf $package/bin/* $out/bin/; done
  '';
in
{
  options = {
    assertions = option (types.listOf types.raw) [ ];
    boot.kernel.enable = option types.bool true;
    boot.init = option types.path "${config.finit.package}/bin/finit";
    boot.kernelParams = option (types.listOf types.str) [ ];
    boot.kernelPatches = option (types.listOf types.attrs) [ ];
    environment.systemPackages = option (types.listOf types.package) [ ];
    environment.etc = option (types.attrsOf (types.submodule { options.text = mkOption { type = types.lines; }; })) { };
    environment.binsh = option types.path "${pkgs.bash}/bin/sh";
    programs.coreutils.package = option types.package pkgs.coreutils;
    finit.package = option types.package pkgs.finit;
    finit.tasks = option (types.attrsOf (types.submodule (stanza "task"))) { };
    finit.services = option (types.attrsOf (types.submodule (stanza "service"))) { };
    finit.tmpfiles.rules = option (types.listOf types.str) [ ];
    fileSystems = option (types.attrsOf (types.submodule { options = {
      device = mkOption { type = types.str; };
      fsType = mkOption { type = types.str; };
      options = mkOption { type = types.listOf types.str; };
      noCheck = option types.bool false;
    }; })) { };
    providers.scheduler.tasks = option (types.attrsOf types.attrs) { };
    specialisation = option (types.attrsOf types.raw) { };
    system.activation.enable = option types.bool true;
    system.activation.scripts = option (types.attrsOf (types.submodule { options = {
      deps = option (types.listOf types.str) [ ];
      text = option types.lines "";
    }; })) { };
    system.topLevel = mkOption { type = types.package; };
  };

  config = {
    environment.systemPackages = [ pkgs.bash pkgs.coreutils pkgs.hello config.finit.package ];
    environment.etc = lib.mapAttrs' (name: task: lib.nameValuePair "finit.d/${name}.conf" { text = render "task" name task; }) config.finit.tasks
      // lib.mapAttrs' (name: task: lib.nameValuePair "finit.d/${name}.conf" { text = render "service" name task; }) config.finit.services;
    boot.supportedFilesystems = lib.mapAttrs' (_: entry: lib.nameValuePair entry.fsType { enable = true; }) config.fileSystems;
    system.topLevel =
      let wrong = lib.filter (assertion: !assertion.assertion) config.assertions;
      in
      if wrong != [ ] then throw "Failed assertions:\n${lib.concatMapStrings (assertion: "- ${assertion.message}\n") wrong}"
      else pkgs.mkDerivation {
        name = "finix-system";
        activationScript = activate;
        passAsFile = [ "activationScript" ];
        buildCommand = ''
          mkdir $out
          ln -s ${systemPath} $out/sw
          ln -s ${config.boot.init} $out/init
          sed "s,@systemConfig@,$out," "$activationScriptPath" > $out/activate
          chmod +x $out/activate
          echo ${lib.escapeShellArgs config.boot.kernelParams} > $out/kernel-params
        '';
      };
  };
}
