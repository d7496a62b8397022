# A system: the stand-in platform, the module under test, and a configuration.
#
# `lib` is the folder of a module system: nixpkgs' or the one beside this file.
{ platform, configuration, lib ? ./lib.nix, python ? "/usr/bin/python3", root ? ../../.. }:
let
  library = import lib;
  pkgs = import ./packages.nix { lib = library; inherit python; source = root + "/tomoyo"; };
in
library.evalModules {
  modules = [
    (./. + "/${platform}.nix")
    (root + "/tomoyo/nixos/${platform}.nix")
    { _module.args = { inherit pkgs; }; }
    configuration
  ];
}
