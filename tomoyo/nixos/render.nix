# From option values to the texts of a policy source: pure functions.
{ lib }:
let
  inherit (lib) concatMapStrings mapAttrsToList optionals optionalString;
  answer = value: if value then "yes" else "no";
  configuration = value: "{ mode=${value.mode} grant_log=${answer value.grant_log} reject_log=${answer value.reject_log} }";
  words = text: lib.filter (word: word != "") (lib.splitString " " text);
in
rec {
  # What may follow `CONFIG::`, category by category; a test compares it with the Python package's table.
  operations = {
    file = words "execute open create unlink getattr mkdir rmdir mkfifo mksock truncate symlink mkblock mkchar link rename chmod chown chgrp ioctl chroot mount unmount pivot_root";
    network = words "inet_stream_bind inet_stream_listen inet_stream_connect inet_dgram_bind inet_dgram_send inet_raw_bind inet_raw_send unix_stream_bind unix_stream_listen unix_stream_connect unix_dgram_bind unix_dgram_send unix_seqpacket_bind unix_seqpacket_listen unix_seqpacket_connect";
    misc = [ "env" ];
  };
  functionalities = lib.attrNames operations
    ++ lib.concatLists (mapAttrsToList (category: map (operation: "${category}::${operation}")) operations);

  # The profiles' numbers that a set of profiles may have as names.
  isProfileNumber = name: lib.match "0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5]" name != null;

  # Whether a path reads the same to systemd, finit, a shell and the kernel.
  isPlainPath = path: lib.match "(/[.]?[A-Za-z0-9_@+,=:-][A-Za-z0-9._@+,=:-]*)+" path != null;

  # Exception policy for what the daemons read and write elsewhere than the library's policy for them says.
  places = { log, saved, rules ? null }:
    let
      # PATH's directories from the root on: "/", "/a/", "/a/b/".
      directories = path: lib.foldl'
        (found: name: found ++ [ "${lib.last found}${name}/" ]) [ "/" ]
        (lib.filter (name: name != "") (lib.splitString "/" path));
      group = name: map (path: "path_group ${name} ${path}");
    in
    lib.concatMapStrings (line: line + "\n") (lib.unique (
      group "tomoyo-directory" (directories log ++ directories saved ++ optionals (rules != null) (directories (dirOf rules)))
      ++ group "tomoyo-log" [ "${log}/\\*" ]
      ++ group "tomoyo-saved" [ "${saved}/policy/\\*" "${saved}/policy/\\*/\\*" ]
      ++ group "tomoyo-saved-directory" [ "${saved}/policy/" "${saved}/policy/\\*/" ]
      ++ optionals (rules != null) (group "tomoyo-query-rules" [ rules ])
    ));

  # profile.conf, from profiles by number, with the defaults of what a profile leaves open.
  profiles = { maxRecords, maxEntries }: set:
    "PROFILE_VERSION=20150505\n"
    + lib.concatStrings (mapAttrsToList
      (number: profile:
        let
          preference = given: default: toString (if given == null then default else given);
        in
        "${number}-COMMENT=${profile.comment}\n"
        + "${number}-PREFERENCE={ max_audit_log=${preference profile.max_audit_log maxRecords}"
        + " max_learning_entry=${preference profile.max_learning_entry maxEntries} }\n"
        + "${number}-CONFIG=${configuration profile.default}\n"
        + lib.concatStrings (mapAttrsToList (name: value: "${number}-CONFIG::${name}=${configuration value}\n") profile.config))
      set);

  # module-numbers.conf.
  numbers = set: lib.concatStrings (mapAttrsToList (name: number: "${name} ${toString number}\n") set);

  # manager.conf.
  managers = concatMapStrings (manager: manager + "\n");

  # stat.conf: the quotas that are set.
  quotas = { policy, audit, query }:
    let line = name: value: optionalString (value != null) "Memory used by ${name}: ${toString value}\n";
    in line "policy" policy + line "audit log" audit + line "query message" query;

  # Text that ends its last line, as the kernel wants it.
  ended = text: text + optionalString (text != "" && !(lib.hasSuffix "\n" text)) "\n";
}
