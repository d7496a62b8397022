# Two generations of a small system whose programs really run.
# Given by PRELUDE: script NAME TEXT ATTRIBUTES. An attribute for each package: first-job, second-job, stranger-words.
let
  generation = { number, version, libc }: rec {
    busybox = script "busybox-1.36.1" ''
      mkdir -p $out/bin; cp /bin/busybox $out/bin/busybox; echo ${number} > $out/built
      for name in sh cat echo ln; do ln -s busybox $out/bin/$name; done
    '' { };

    # A library that a program reads, in one output; a program beside it.
    glibc = script "glibc-${libc}" ''
      mkdir -p $out/lib $bin/bin
      for folder in /lib/x86_64-linux-gnu /lib64 /usr/lib64 /usr/lib; do
        [ ! -e $folder/libc.so.6 ] || cp -L $folder/libc.so.6 $out/lib/libc.so.6.copy
      done
      mv $out/lib/libc.so.6.copy $out/lib/libc.so.6
      printf '#!${busybox}/bin/sh\necho "$1"\n' > $bin/bin/getent; chmod +x $bin/bin/getent
    '' { outputs = [ "out" "bin" ]; };

    # A wrapper around a hidden program.
    reader = script "reader-${version}" ''
      mkdir -p $out/bin; cp /bin/cat $out/bin/.reader-wrapped
      printf '#!${busybox}/bin/sh\nLD_LIBRARY_PATH=${glibc}/lib exec %s "$@"\n' $out/bin/.reader-wrapped > $out/bin/reader
      chmod +x $out/bin/reader
    '' { };

    # Two versions of one package, with a file that both have and one that only the newer has.
    tls-1 = script "tls-1.1.1w" ''
      mkdir -p $out/bin $out/share; echo old ${number} > $out/share/certificates
      printf '#!${busybox}/bin/sh\necho old tls\n' > $out/bin/tls; chmod +x $out/bin/tls
    '' { };
    tls-3 = script "tls-3.3.1" ''
      mkdir -p $out/bin $out/share; echo new ${number} > $out/share/certificates; echo new only > $out/share/modern
      printf '#!${busybox}/bin/sh\necho new tls\n' > $out/bin/tls; chmod +x $out/bin/tls
    '' { };

    words = script "words-${version}" ''
      mkdir -p $out/share $data/share/words; echo some > $out/share/some
      for name in a b c; do echo $name > $data/share/words/$name; done
    '' { outputs = [ "out" "data" ]; };

    # What is confined.  It prints the same in both generations.
    job = script "job-${version}" ''
      mkdir -p $out/bin $out/share
      echo a job > $out/share/about
      cat > $out/bin/job <<END
      #!${busybox}/bin/sh
      cat=/run/current-system/sw/bin/cat
      case "\$1" in
        read) exec \$cat "\$2" ;;
        run) exec "\$2" hello ;;
      esac
      read -r line < $out/share/about; echo "\$line"
      \$cat ${words.data}/share/words/a ${words}/share/some
      /run/current-system/sw/bin/reader ${words.data}/share/words/b ${words.data}/share/words/c
      ${tls-1}/bin/tls; ${tls-3}/bin/tls
      read -r line < ${tls-1}/share/certificates; read -r line < ${tls-3}/share/modern
      ${glibc.bin}/bin/getent x
      ${busybox}/bin/ln -s ${words}/share/some /run/job-link
      ${busybox}/bin/ln -s ${words} /run/job-directory
      read -r domain < /sys/kernel/security/tomoyo/self_domain; echo "\$domain"
      END
      sed -i 's/^      //' $out/bin/job; chmod +x $out/bin/job
    '' { };

    system-path = script "system-path" ''
      mkdir -p $out/bin
      for package in ${busybox} ${reader} ${job} ${tls-3}; do
        for program in $package/bin/*; do ln -s $program $out/bin/; done
      done
    '' { };

    toplevel = script "nixos-system-job-${number}" ''mkdir $out; ln -s ${system-path} $out/sw'' { };
  };

  # Not of any generation, but called like packages of both.
  strangers = {
    words = script "words-1.0" ''
      mkdir -p $out/share $data/share/words; for name in a b c; do echo stranger > $data/share/words/$name; done
    '' { outputs = [ "out" "data" ]; };
    reader = script "reader-1.0" ''
      mkdir -p $out/bin; cp /bin/busybox $out/bin/reader; echo stranger > $out/mark
    '' { };
  };

  named = prefix: packages: builtins.listToAttrs (map
    (name: { name = "${prefix}${name}"; value = packages.${name}; }) (builtins.attrNames packages));
in
named "first-" (generation { number = "1"; version = "1.0"; libc = "2.36"; })
// named "second-" (generation { number = "2"; version = "2.0"; libc = "2.40"; })
// named "stranger-" strangers
