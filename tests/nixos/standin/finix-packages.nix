# What finix' own modules take from nixpkgs when its top level is evaluated: names and functions that make derivations, which
# nobody builds.
{ lib, pkgs }:
let
  names = ''
    acl attr aggregateModules bash bashInteractive busybox bzip2 cacert coreutils cpio curl dash diffutils e2fsprogs eudev findutils finit gawk getconf getent glibc glibcLocales gnugrep gnupatch gnused gnutar gzip iana-etc jq kbd kmod kmod-blacklist-ubuntu kmod-debian-aliases less libcap makeInitrdNG mkpasswd ncurses netcat nettools nixos-rebuild-ng openresolv pam plymouth procps resolvconf shadow su time tzdata userborn util-linux util-linuxMinimal which xz zstd
  '';
  fake = name: pkgs.package "${name}-1.0" { "bin/${name}" = "#!/bin/sh\n"; } // {
    pname = name;
    version = "4.16";
    meta = { mainProgram = name; homepage = ""; };
    override = _: fake name;
    overrideAttrs = _: fake name;
    overrideDerivation = _: fake name;
    __functor = _: _: fake name;
    mount = fake name;
    p11kit = fake name;
  };
  settings = _: { type = lib.types.attrsOf lib.types.raw; generate = name: _: fake name; };
  linux = {
    kernel = fake "linux" // { modDirVersion = "6.12"; target = "bzImage"; override = _: linux.kernel; };
    stdenv.hostPlatform.system = builtins.currentSystem;
    extend = overlay: linux // overlay linux linux;
  };
  self = pkgs // lib.genAttrs (lib.filter (name: name != "") (lib.splitString " " (lib.replaceStrings [ "\n" ] [ " " ] names))) fake // {
    _type = "pkgs";
    buildPackages = self;
    pkgsStatic = self;
    callPackage = _: _: fake "called";
    buildEnv = { name, ... }: fake name;
    formats = { keyValue = settings; json = settings; };
    linuxPackages = linux;
    runCommand = name: attributes: pkgs.runCommand name (removeAttrs attributes [ "passthru" "meta" ]);
    runCommandLocal = self.runCommand;
    stdenvNoCC.mkDerivation = pkgs.mkDerivation;
    stdenv = {
      cc.libc = fake "glibc";
      hostPlatform = { isx86 = true; libc = "musl"; system = builtins.currentSystem; linux-kernel.target = "bzImage"; };
    };
    writers.writeJSON = name: value: pkgs.writeText name (builtins.toJSON value);
    writeShellApplication = { name, ... }: fake name;
    writeShellScript = name: text: pkgs.writeScript name "#!/bin/sh\n${text}" // { meta.mainProgram = name; };
    writeShellScriptBin = name: _: fake name;
  };
in
self
