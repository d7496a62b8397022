{
  description = "TOMOYO Linux at home on NixOS and finix: policies by package name, checked, compiled and activated";

  # No inputs: what is needed of nixpkgs comes with the system that uses this.
  outputs = { self }: {
    nixosModules.default = { imports = [ ./tomoyo/nixos/nixos.nix ]; };
    finixModules.default = { imports = [ ./tomoyo/nixos/finix.nix ]; };
    overlays.default = import ./tomoyo/nixos/overlay.nix;
    lib = import ./tomoyo/nixos/library.nix;
  };
}
