# A small system with everything that makes store paths hard to tell apart.
# Given by PRELUDE: script NAME TEXT ATTRIBUTES.
rec {
  # Several outputs; the main one refers to one of them, another one back.
  libc = script "glibc-2.40-66" ''
    mkdir -p $out/lib $bin/bin $dev/include $getent/bin
    cp /bin/true $out/lib/ld.so; echo $bin > $out/lib/where
    cp /bin/true $bin/bin/ldd; echo $out > $dev/include/where
    cp /bin/true $getent/bin/getent
  '' { outputs = [ "out" "bin" "dev" "getent" ]; };

  # Two versions of one package.
  openssl_1 = script "openssl-1.1.1w" ''
    mkdir -p $out/bin; cp /bin/true $out/bin/openssl; echo ${libc} > $out/lib
  '' { };
  openssl_3 = script "openssl-3.3.1" ''
    mkdir -p $out/bin; cp /bin/true $out/bin/openssl; echo ${libc} > $out/lib
  '' { };

  # One program under many names.
  coreutils = script "coreutils-9.5" ''
    mkdir -p $out/bin; cp /bin/true $out/bin/coreutils
    for name in ls cat mv; do ln -s coreutils $out/bin/$name; done
    ln -s ../bin/coreutils $out/bin/sideways
    ln -s bin $out/sbin
  '' { };
  busybox = script "busybox-1.36.1" ''
    mkdir -p $out/bin $out/libexec/applets; cp /bin/true $out/bin/busybox
    ln -s ../../bin/busybox $out/libexec/applets/wget
  '' { };

  bash = script "bash-interactive-5.2p37" ''
    mkdir -p $out/bin; cp /bin/true $out/bin/bash; ln -s bash $out/bin/sh; echo $man > $out/see
    mkdir -p $man/share/man; echo page > $man/share/man/bash.1
  '' { outputs = [ "out" "man" ]; };

  # A wrapper around a hidden program, and an interpreted one.
  firefox = script "firefox-131.0.3" ''
    mkdir -p $out/bin
    cp /bin/true $out/bin/.firefox-wrapped
    printf '#!${bash}/bin/sh\nexec -a "$0" %s "$@"\n' $out/bin/.firefox-wrapped > $out/bin/firefox
    chmod +x $out/bin/firefox
  '' { };

  systemd = script "systemd-256.7" ''
    mkdir -p $out/lib/systemd $out/bin
    for name in systemd systemd-executor; do cp /bin/true $out/lib/systemd/$name; done
    ln -s ../lib/systemd/systemd $out/bin/init
  '' { };

  # A package that has no version, and a path that is a single file.
  etc-hosts = script "hosts" ''echo localhost > $out'' { };
  init-script = script "stage-2-init.sh" ''printf '#! /usr/bin/env sh\n' > $out; chmod +x $out'' { };
  init-link = script "init-link" ''ln -s ${init-script} $out'' { };

  system-path = script "system-path" ''
    mkdir -p $out/bin $out/share
    for package in ${bash} ${coreutils} ${firefox} ${openssl_3} ${libc.bin}; do
      for program in $package/bin/*; do ln -s $program $out/bin/; done
    done
    ln -s ${bash.man}/share/man $out/share/man
    ln -s ${etc-hosts} $out/share/hosts
  '' { };

  # With one package nix-env makes `bin` itself a link.
  user-environment = script "user-environment" ''
    mkdir $out; ln -s ${openssl_1}/bin $out/bin
  '' { };

  etc = script "etc" ''
    mkdir -p $out/etc/profiles/per-user $out/etc/dispatcher.d
    ln -s ${etc-hosts} $out/etc/hosts
    ln -s ${user-environment} $out/etc/profiles/per-user/alice
    ln -s ${init-script} $out/etc/dispatcher.d/up
  '' { };

  toplevel = script "nixos-system-host-26.05" ''
    mkdir $out
    ln -s ${system-path} $out/sw
    ln -s ${systemd} $out/systemd
    ln -s ${etc}/etc $out/etc
    ln -s ${init-link} $out/init
    echo ${busybox} > $out/extra
  '' { };
}
