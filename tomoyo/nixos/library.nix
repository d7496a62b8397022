# What `flake.nix` gives as `lib`: the parts for those who have neither NixOS nor finix.
{
  # { lib, pkgs } -> { source, policy, modes }: the derivations of a policy source and of the set compiled from it.
  compilation = import ./compilation.nix;
  # { lib } -> functions from values to the texts of a policy source.
  render = import ./render.nix;
  # The profile of each state of a policy.
  states = import ./states.nix;
  # The services that the policy library has policies for: what `tomoyo compile --library` takes.
  services = import ./services.nix;
  # The Python package as a function for `pkgs.python3Packages.callPackage`.
  package = ./package.nix;
}
