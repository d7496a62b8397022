# The same as system.nix, with finix' own modules in the place of the stand-in platform.
{ finix, configuration, lib, python ? "/usr/bin/python3", root ? ../../.. }:
let
  library = import lib;
  pkgs = import ./packages.nix { lib = library; inherit python; source = root + "/tomoyo"; };
  modules = import (finix + "/modules");
in
library.evalModules {
  class = "nixos";
  specialArgs = { inherit modules; };
  modules = [
    modules.default
    (root + "/tomoyo/nixos/finix.nix")
    { nixpkgs.pkgs = import ./finix-packages.nix { lib = library; inherit pkgs; }; }
    configuration
  ];
}
