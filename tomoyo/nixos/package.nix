# The Python package, from the folder that this file lies in: for nixpkgs' Python sets and for `pkgs.python3Packages.callPackage`.
{ lib, buildPythonPackage, python }:
let
  version = lib.head (builtins.match ".*\n__version__ = \"([^\"]+)\"\n.*" (builtins.readFile ../__init__.py));
in
buildPythonPackage {
  pname = "tomoyo";
  inherit version;
  format = "other";

  src = builtins.path {
    name = "tomoyo-${version}";
    path = ../.;
    filter = path: _: baseNameOf path != "__pycache__";
  };
  dontUnpack = true;
  dontConfigure = true;
  dontBuild = true;
  # The command is one program with one name, not a wrapper around a hidden one.
  dontWrapPythonPrograms = true;

  installPhase = ''
    runHook preInstall
    packages=$out/${python.sitePackages}
    mkdir -p $packages $out/bin
    cp -r --no-preserve=mode $src $packages/tomoyo
    ${python.pythonOnBuildForHost.interpreter or python.interpreter} -m compileall -q --invalidation-mode unchecked-hash $packages
    # Isolated: neither the environment nor the current folder may bring in code, since this program may change the policy.
    # And without the module site, which would only look for other packages.
    program() {
      cat > $out/bin/$1 <<EOF
    #!${python.interpreter} -IS
    import sys
    sys.path.insert(0, "$packages")
    from tomoyo.cli import main
    sys.exit(main([$2*sys.argv[1:]]))
    EOF
      chmod +x $out/bin/$1
    }
    program tomoyo ""
    # Each a program of its own, in whose domain nothing may be changed.
    for name in audit notify query save; do
      program tomoyo-$name "'$name', "
    done
    # What the parsers tell; by the Python that runs here, which need not be the one of the system.
    tomoyo() (
      cd $packages
      PYTHONDONTWRITEBYTECODE=1 ${python.pythonOnBuildForHost.interpreter or python.interpreter} -m tomoyo "$@"
    )
    share=$out/share
    mkdir -p $share/man $share/bash-completion/completions $share/fish/vendor_completions.d $share/zsh/site-functions
    tomoyo man --write $share/man/man8
    tomoyo completion bash > $share/bash-completion/completions/tomoyo
    tomoyo completion fish > $share/fish/vendor_completions.d/tomoyo.fish
    tomoyo completion zsh > $share/zsh/site-functions/_tomoyo
    runHook postInstall
  '';

  pythonImportsCheck = [ "tomoyo" ];

  meta = {
    description = "TOMOYO Linux policy: names instead of store hashes, checked, compiled and activated";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "tomoyo";
  };
}
