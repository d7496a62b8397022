# `pkgs.tomoyo`, the command, and `python3Packages.tomoyo`, the library.
final: prev: {
  pythonPackagesExtensions = (prev.pythonPackagesExtensions or [ ]) ++ [
    (python: _: { tomoyo = python.callPackage ./package.nix { }; })
  ];
  tomoyo = final.python3Packages.toPythonApplication final.python3Packages.tomoyo;
}
