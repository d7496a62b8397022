# The options that NixOS and finix share.
#
# Nothing here looks at the platform; what the values become is in core.nix, and where that goes in nixos.nix and finix.nix.
{ lib, pkgs, ... }:
let
  inherit (lib) literalExpression mkEnableOption mkOption types;
  states = import ./states.nix;
  render = import ./render.nix { inherit lib; };

  policy = {
    options = {
      text = mkOption {
        type = types.nullOr types.lines;
        default = null;
        example = ''
          <kernel> nix:/hello/bin/hello
          use_group base
          file read @nix:/hello/share/\{\*\}/\*
        '';
        description = ''
          The named domain policy: TOMOYO's own syntax, with names such as `nix:/nginx/bin/nginx` in place of store paths.
          Exactly one of `text` and `path` must be set.
        '';
      };
      path = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = literalExpression "./policies/hello.domain";
        description = ''
          A file with the named domain policy, or a directory that is a policy source of its own: domains, modules and exception
          policy together.
        '';
      };
      exceptions = mkOption {
        type = types.lines;
        default = "";
        example = "initialize_domain nix:/hello/bin/hello from any";
        description = "Named exception policy that belongs to this policy, such as how its domains are entered.";
      };
      state = mkOption {
        type = types.enum (lib.attrNames states);
        default = "enforce";
        example = "permissive";
        description = ''
          What the kernel does with a request that the policy does not allow: `enforce` denies it, `permissive` logs it,
          `learn` adds it to the policy in memory, and `disable` leaves the domains alone. All domains of the policy are put
          into the profile of that state, whatever the policy says itself.
        '';
      };
    };
  };

  service = {
    options = {
      enable = mkEnableOption "the policy that comes with TOMOYO for this service";
      state = mkOption {
        type = types.enum (lib.attrNames states);
        default = "permissive";
        example = "enforce";
        description = ''
          What the kernel does with a request that the policy does not allow, as `security.tomoyo.policies.<name>.state`. A
          policy of the library is tried before it is enforced: what your configuration of the service needs beyond it is
          logged.
        '';
      };
      extraPolicy = mkOption {
        type = types.lines;
        default = "";
        example = ''
          <kernel> nix:/nginx/bin/nginx
          file read/getattr /home/www/\{\*\}/\*
          network unix stream connect /run/phpfpm/site.sock
        '';
        description = ''
          Named domain policy that is added to the library's: what this system's configuration of the service needs. Domains that
          the library has stay in its profile; others need a `use_profile`.
        '';
      };
    };
  };

  # It stands in units, where each setting has rules of its own for blanks, quotes and percent signs.
  directory = types.path // {
    description = "absolute path, of directories whose names consist of letters, digits and '._@+,=:-', without '.' and '..'";
    check = value: types.path.check value && render.isPlainPath (toString value);
  };

  # What the kernel writes as CONFIG={ mode=... }; the names are the kernel's.
  configuration = {
    options = {
      mode = mkOption {
        type = types.enum [ "disabled" "learning" "permissive" "enforcing" ];
        default = "disabled";
        example = "enforcing";
        description = "What happens to requests that no entry of the domain grants.";
      };
      grant_log = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether requests that were granted are logged.";
      };
      reject_log = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = "Whether requests that no entry granted are logged.";
      };
    };
  };

  profile = {
    options = {
      comment = mkOption {
        type = types.strMatching "[!-~]*( [!-~]+)*";
        default = "";
        example = "enforcing, all logged";
        description = "What the profile is for, in printable ASCII.";
      };
      config = mkOption {
        type = types.attrsOf (types.submodule configuration);
        default = { };
        example = literalExpression ''{ "file::read".mode = "permissive"; network.mode = "disabled"; }'';
        description = ''
          Exceptions from `default`, by category (`file`, `network`, `misc`) or operation (`file::read`,
          `network::inet_stream_connect`, `misc::env`). Opening for reading, for writing and for appending all stand under
          `file::open`.
        '';
      };
      default = mkOption {
        type = types.submodule configuration;
        default = { };
        example = { mode = "enforcing"; };
        description = "What holds for operations that `config` does not name: the kernel's `CONFIG` line.";
      };
      max_audit_log = mkOption {
        type = types.nullOr types.ints.unsigned;
        default = null;
        example = 4096;
        description = "Records that wait for a reader at most; `null` takes `security.tomoyo.audit.maxRecords`.";
      };
      max_learning_entry = mkOption {
        type = types.nullOr types.ints.unsigned;
        default = null;
        example = 10000;
        description = "Entries that a domain learns at most; `null` takes `security.tomoyo.learning.maxEntries`.";
      };
    };
  };

  quota = what: mkOption {
    type = types.nullOr types.ints.unsigned;
    default = null;
    example = 16777216;
    description = ''
      Memory for ${what}, in bytes; 0 and `null` set no limit. The kernel drops what does not fit without a word; activation
      notices.
    '';
  };

  interval = what: mkOption {
    type = types.enum [ "hourly" "daily" "weekly" ];
    default = "hourly";
    example = "daily";
    description = "How much time lies between ${what}.";
  };

  # It starts no program to copy a file, and /proc need not be mounted yet.  A name of its own, so that it is no second busybox
  # to policies.
  loaderShell = (pkgs.busybox.override {
    enableStatic = true;
    enableAppletSymlinks = false;
    extraConfig = ''
      CONFIG_FEATURE_SH_STANDALONE y
      CONFIG_BUSYBOX_EXEC_PATH "$out/bin/busybox"
    '';
  }).overrideAttrs (old: {
    pname = "tomoyo-loader-shell";
    passthru = (old.passthru or { }) // { shellPath = "/bin/busybox sh"; };
  });
in
{
  options.security.tomoyo = {
    enable = mkEnableOption "TOMOYO Linux, mandatory access control by path names. The kernel is rebuilt where it lacks TOMOYO, and a reboot is needed before it confines anything";

    package = mkOption {
      type = types.package;
      default = pkgs.tomoyo or (pkgs.python3Packages.callPackage ./package.nix { });
      defaultText = literalExpression "pkgs.tomoyo";
      example = literalExpression "pkgs.python3Packages.callPackage ./vendor/tomoyo/nixos/package.nix { }";
      description = "The package with the `tomoyo` command, which compiles the policy and brings the kernel to it.";
    };

    policies = mkOption {
      type = types.attrsOf (types.submodule policy);
      default = { };
      example = literalExpression ''
        {
          hello = {
            state = "permissive";
            text = '''
              <kernel> nix:/hello/bin/hello
              use_group base
            ''';
          };
        }
      '';
      description = "Named domain policies. A name consists of letters, digits and `-_+.`, and begins with a letter or digit.";
    };

    library = mkOption {
      type = types.attrsOf (types.submodule service);
      default = { };
      example = literalExpression "{ nginx.enable = true; }";
      description = ''
        Policies for services that come with TOMOYO, by the service: ${lib.concatStringsSep ", " (import ./services.nix)}.
        Their modules, such as `base`, can be used by policies of your own without being enabled.
      '';
    };

    modules = mkOption {
      type = types.attrsOf (types.either types.path types.lines);
      default = { };
      example = literalExpression ''
        {
          my-logs = '''
            file append /var/log/my/\*.log
          ''';
        }
      '';
      description = ''
        Modules: entries under a name, as text or as a file, which domains take with `use_group NAME`. Each becomes an
        `acl_group` of the kernel. One with the name of a module of the library takes its place, for all policies.
      '';
    };

    moduleNumbers = mkOption {
      type = types.attrsOf (types.ints.between 0 255);
      default = { };
      example = { base = 1; };
      description = ''
        The `acl_group` of some modules. Without it a module's number comes from its name and stays the same whatever other
        modules there are. Where two names have the same number the build asks for one of the two to be given here.
      '';
    };

    exceptionPolicy = mkOption {
      type = types.lines;
      default = "";
      example = ''
        initialize_domain nix:/hello/bin/hello from any
        path_group web-root /srv/www/\*.html
      '';
      description = "Named exception policy: transition control, groups and aggregators, besides what names and bindings need.";
    };

    profiles = mkOption {
      type = types.attrsOf (types.submodule profile);
      default = { };
      example = literalExpression ''{ "4" = { default.mode = "enforcing"; config.network.mode = "permissive"; }; }'';
      description = ''
        Profiles by number, 0 to 255. Profiles 0 (disabled), 1 (learning), 2 (permissive) and 3 (enforcing) are always there,
        and what is set here for them replaces their defaults one by one.
      '';
    };

    managers = mkOption {
      type = types.listOf (types.strMatching "(/|<)[!-~]*( [!-~]+)*");
      default = [ "<kernel> nix:/tomoyo/bin/tomoyo" ];
      example = [ "<kernel> nix:/tomoyo/bin/tomoyo" "/usr/sbin/tomoyo-editpolicy" ];
      description = ''
        Who may change the policy while it is active: domains, or programs by path, run by root. The default is the domain of
        the `tomoyo` command, which is entered wherever it is called from. Without it no later generation could be activated.
      '';
    };

    packages = mkOption {
      type = types.attrsOf types.package;
      default = { };
      example = literalExpression "{ nginx = pkgs.nginxMainline; }";
      description = ''
        Which package a name means, where it is not the package of that name in the system's closure, or where there are
        several. These packages become part of the closure.
      '';
    };

    strictNames = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether a name that several packages of the closure have is an error, rather than a name of all of them. An entry of
        `packages` decides which is meant.
      '';
    };

    extraClosureRoots = mkOption {
      type = types.listOf (types.either types.path types.package);
      default = [ ];
      example = literalExpression "[ pkgs.texliveFull ]";
      description = ''
        Store paths whose closures are trusted as the system's own is: their programs and files may be named by the policy,
        such as profiles that are installed apart from the system.
      '';
    };

    quotas = {
      policy = quota "the policy";
      audit = quota "audit records that wait for a reader";
      query = quota "requests that wait for an answer";
    };

    learning = {
      maxEntries = mkOption {
        type = types.ints.unsigned;
        default = 2048;
        example = 10000;
        description = "Entries that a domain in learning mode takes at most. Reaching it stops learning for that domain, with the flag `quota_exceeded`.";
      };
      keep = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether what domains learned stays when a generation is activated in which they go on learning. It is gone after a reboot in any case.";
      };
      save = {
        enable = mkEnableOption "saving what the kernel holds, learned entries included, at intervals and at shutdown";
        directory = mkOption {
          type = directory;
          # A path of Nix would be copied to the store where it is put into a text.
          apply = toString;
          default = "/var/lib/tomoyo/saved";
          example = "/var/lib/learned";
          description = "Where saved policies go, one directory for each time.";
        };
        interval = interval "two savings";
      };
    };

    audit = {
      enable = mkEnableOption "the audit daemon, which writes the kernel's audit records to files";
      maxRecords = mkOption {
        type = types.ints.unsigned;
        default = 4096;
        example = 65536;
        description = "Records of one profile that wait in the kernel at most; what comes then is lost. 0 keeps none.";
      };
      directory = mkOption {
        type = directory;
        # A path of Nix would be copied to the store where it is put into a text.
        apply = toString;
        default = "/var/log/tomoyo";
        example = "/var/log/access";
        description = "Where the log goes: `audit.log`, and older ones as `audit.log.1` and so on.";
      };
      extraOptions = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "--json" "--max-size" "100M" ];
        description = "More options of `tomoyo audit`, such as what it records and how long it keeps that.";
      };
    };

    notify = {
      enable = mkEnableOption "the daemon that runs a command when something is denied. It follows the audit daemon's log, or reads the kernel's records itself where no audit daemon runs";
      command = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = literalExpression ''[ "${pkgs.util-linux}/bin/wall" "denied by TOMOYO" ]'';
        description = ''
          The program to run, by its whole path, and its arguments. It reads the audit records on its standard input, and its
          environment is `PATH` and `TOMOYO_DENIALS`, how many they are. TOMOYO does not confine it, but the daemon's unit does:
          what it needs beyond that, such as the network, is set there, as in
          `systemd.services.tomoyo-notify.serviceConfig.PrivateNetwork = false`.
        '';
      };
      extraOptions = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "--interval" "600" ];
        description = "More options of `tomoyo notify`, such as how often it tells and of what.";
      };
    };

    query = {
      enable = mkEnableOption "the query daemon, which answers by rules what an enforcing domain is not allowed to do, before it is denied";
      rules = mkOption {
        type = types.either types.path types.lines;
        default = "";
        example = literalExpression "./query.rules";
        description = ''
          Rules of `tomoyo query --rules`, as text or as a file. A request that no rule answers is denied. The path of a file outside the
          store, which is read when the daemon starts, is as plain as that of a directory of logs.
        '';
      };
    };

    gc.interval = interval "two looks for bindings and domains that no process uses any more; one such look follows each switch";

    kernel = {
      configure = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = ''
          Whether the kernel is built with TOMOYO. Kernels of nixpkgs are not, so that this means building one. Turn it off
          where `boot.kernelPackages` has it already.
        '';
      };
      lsm = mkOption {
        type = types.listOf (types.strMatching "[a-z0-9_]+");
        default = [ "landlock" "yama" "bpf" ];
        example = [ "lockdown" "landlock" "yama" "apparmor" "bpf" ];
        description = ''
          Other security modules that the kernel starts, where there is no option `security.lsm`: on finix and older releases
          of NixOS. TOMOYO comes last.
        '';
      };
    };

    boot.shell = mkOption {
      type = types.package;
      default = loaderShell;
      defaultText = literalExpression "pkgs.busybox.override { enableStatic = true; }";
      example = literalExpression "pkgs.bash";
      description = ''
        The shell that loads the policy at boot: a package with `shellPath`. The default has `cat`, `ls` and `mount` inside, and
        hangs on no other file. It is built once, in a minute, and takes half of the time that bash takes.
      '';
    };

    boot.onFailure = mkOption {
      type = types.enum [ "unconfined" "stop" ];
      default = "unconfined";
      example = "stop";
      description = ''
        What happens at boot if this policy and the one before cannot be loaded: `unconfined` comes up with every domain
        in profile 0, and says so in the kernel log; `stop` lets the kernel panic.
      '';
    };
  };
}
