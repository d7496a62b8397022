# The few functions of nixpkgs' package set that the modules and the stand-in platforms call, as derivations that Nix can
# build without nixpkgs: with the machine's own shell and programs.
#
# `python` is a program's path; `source` the Python package's folder.
{ lib, python, source }:
let
  run = name: attributes: text: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" "PATH=/usr/bin:/bin; ${text}\n:" ];
  } // attributes);

  # An argument list where Nix passes the text in the environment, which builders read with $name.
  package = name: files: run name { } (''
    mkdir -p $out/bin
  '' + lib.concatStrings (lib.mapAttrsToList (path: text: ''
    mkdir -p "$out/$(dirname ${path})"
    cat ${builtins.toFile "text" text} > $out/${path}
    case ${path} in bin/* | libexec/* | lib/systemd/*) chmod +x $out/${path} ;; esac
  '') files));
in
rec {
  inherit package;
  runtimeShell = "${bash}/bin/bash";
  writeText = name: text: run name { inherit text; passAsFile = [ "text" ]; } ''cat "$textPath" > $out'';
  writeScript = name: text: run name { inherit text; passAsFile = [ "text" ]; } ''cat "$textPath" > $out; chmod +x $out'';
  runCommand = name: attributes: text:
    run name (removeAttrs attributes [ "preferLocalBuild" "allowSubstitutes" ]) text;

  # As nixpkgs': what the builder reads from its environment can be changed afterwards, null is nothing.
  mkDerivation = attributes:
    run (attributes.name or "${attributes.pname}-${attributes.version}")
      (lib.filterAttrs (name: value: value != null && !(lib.elem name [ "name" "buildCommand" "passthru" ])) attributes)
      attributes.buildCommand
    // (attributes.passthru or { })
    // { overrideAttrs = change: mkDerivation (attributes // change attributes); };

  # nixpkgs' has jq make this of the same data.
  closureInfo = { rootPaths }: derivation {
    name = "closure-info";
    system = builtins.currentSystem;
    builder = python;
    __structuredAttrs = true;
    exportReferencesGraph.closure = rootPaths;
    args = [ "-c" ''
      import json, os
      attributes = json.load(open(".attrs.json"))
      out = attributes["outputs"]["out"]
      os.mkdir(out)
      with open(out + "/store-paths", "w") as file:
          file.writelines(path["path"] + "\n" for path in attributes["closure"])
      with open(out + "/registration", "w") as file:
          for path in attributes["closure"]:
              lines = [path["path"], path["narHash"], path["narSize"], "", len(path["references"]), *path["references"]]
              file.writelines(f"{line}\n" for line in lines)
    '' ];
  };

  # The package under test, run by a Python that is not in the store.
  tomoyo = run "tomoyo-0.1" { } ''
    mkdir -p $out/bin $out/lib
    cp -r ${source} $out/lib/tomoyo
    chmod -R u+w $out/lib
    ${python} -m compileall -q --invalidation-mode unchecked-hash $out/lib
    for name in tomoyo tomoyo-audit tomoyo-notify tomoyo-query tomoyo-save; do
      main=main
      test $name = tomoyo || main=daemon
      printf '#!%s -I\nimport sys\nsys.path.insert(0, "%s")\nfrom tomoyo.cli import %s\nsys.exit(%s())\n' \
        ${python} $out/lib $main $main > $out/bin/$name
      chmod +x $out/bin/$name
    done
  '';

  # Programs that run, as they are on this machine.
  programs = name: names: run name { } ''
    mkdir -p $out/bin
    for name in ${lib.concatStringsSep " " names}; do cp -L /bin/$name $out/bin/; done
  '';
  busybox = run "busybox-1.36.1" { } ''
    mkdir -p $out/bin
    cp -L /bin/busybox $out/bin/
    ln -s busybox $out/bin/sh
  '' // {
    # Debian's is what the modules ask for, but for its name.
    override = { enableStatic, enableAppletSymlinks, extraConfig }: assert enableStatic && !enableAppletSymlinks; mkDerivation {
      pname = "busybox";
      version = "1.36.1";
      buildCommand = "mkdir -p $out/bin; cp -L /bin/busybox $out/bin/";
      inherit extraConfig;
      passthru.shellPath = "/bin/ash";
    };
  };
  bash = programs "bash-5.3" [ "bash" "sh" ];
  coreutils = programs "coreutils-9.7" [ "cat" "env" "ls" "readlink" "true" ];
  util-linux = programs "util-linux-2.41" [ "mount" "setpriv" ];
  hello = package "hello-2.12" { "bin/hello" = "#!/bin/sh\n"; "share/greeting" = "hello\n"; };
  systemd = package "systemd-257.6" { "lib/systemd/systemd" = "#!/bin/sh\n"; };
  finit = package "finit-4.16" { "bin/finit" = "#!/bin/sh\n"; "bin/initctl" = "#!/bin/sh\n"; };
}
