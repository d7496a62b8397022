# A small module system that stands in for nixpkgs' `lib` where there is no nixpkgs.
#
# It has what the modules below tomoyo/nixos use, under the same names and with the same meaning: declarations and definitions
# from many modules, priorities, conditions and order, types that check and merge, and errors that name the option.  What it
# does not know it refuses.  Where a checkout of nixpkgs' lib is at hand, the tests compare the answers of the two.
let
  inherit (builtins)
    all attrNames attrValues concatLists concatMap concatStringsSep elem elemAt filter foldl' functionArgs genList hasAttr head
    intersectAttrs isAttrs isBool isFunction isInt isList isString length listToAttrs map mapAttrs match removeAttrs replaceStrings
    split stringLength substring tail toJSON tryEval typeOf;

  # ---- Lists, strings and sets ----
  trivial.release = "26.11";
  nameValuePair = name: value: { inherit name value; };
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalString = condition: text: if condition then text else "";
  optionalAttrs = condition: set: if condition then set else { };
  concatStrings = concatStringsSep "";
  concatMapStrings = function: list: concatStringsSep "" (map function list);
  concatMapStringsSep = separator: function: list: concatStringsSep separator (map function list);
  concatLines = concatMapStrings (line: line + "\n");
  mapAttrsToList = function: set: map (name: function name set.${name}) (attrNames set);
  filterAttrs = keep: set:
    listToAttrs (concatMap (name: optional (keep name set.${name}) (nameValuePair name set.${name})) (attrNames set));
  mapAttrs' = function: set: listToAttrs (mapAttrsToList function set);
  genAttrs = names: function: listToAttrs (map (name: nameValuePair name (function name)) names);
  attrByPath = path: default: set:
    if path == [ ] then set else if set ? ${head path} then attrByPath (tail path) default set.${head path} else default;
  hasAttrByPath = path: set: path == [ ] || isAttrs set && set ? ${head path} && hasAttrByPath (tail path) set.${head path};
  setAttrByPath = path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
  toList = value: if isList value then value else [ value ];
  reverse = list: let last = length list - 1; in genList (index: elemAt list (last - index)) (last + 1);
  unique = foldl' (known: value: if elem value known then known else known ++ [ value ]) [ ];
  last = list: elemAt list (length list - 1);
  take = count: list: genList (elemAt list) (if count < length list then count else length list);
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix = suffix: text:
    stringLength text >= stringLength suffix
    && substring (stringLength text - stringLength suffix) (stringLength suffix) text == suffix;
  removePrefix = prefix: text:
    if hasPrefix prefix text then substring (stringLength prefix) (stringLength text - stringLength prefix) text else text;
  hasInfix = infix: text: length (split (escapeRegex infix) text) > 1;
  escapeRegex = replaceStrings
    [ "\\" "^" "$" "." "|" "?" "*" "+" "(" ")" "[" "{" ] [ "\\\\" "\\^" "\\$" "\\." "\\|" "\\?" "\\*" "\\+" "\\(" "\\)" "\\[" "\\{" ];
  splitString = separator: text: filter isString (split (escapeRegex separator) text);
  versionAtLeast = version: least: builtins.compareVersions version least >= 0;
  escapeShellArg = value:
    let text = toString value;
    in if match "[[:alnum:],._+:@%/-]+" text != null then text else "'" + replaceStrings [ "'" ] [ "'\\''" ] text + "'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  isDerivation = value: value.type or null == "derivation";
  isStringLike = value: isString value || builtins.isPath value || value ? outPath || value ? __toString;
  getExe' = package: name: "${package}/bin/${name}";
  any = builtins.any;
  sortBy = builtins.sort;

  kernel = {
    yes = { tristate = "y"; optional = false; };
    no = { tristate = "n"; optional = false; };
    module = { tristate = "m"; optional = false; };
  };

  # ---- Definitions ----
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkOrder = priority: content: { _type = "order"; inherit priority content; };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;

  # ---- Declarations ----
  mkOption = attributes: attributes // { _type = "option"; };
  isOption = value: value._type or null == "option";
  mkEnableOption = subject:
    mkOption { type = types.bool; default = false; example = true; description = "Whether to enable ${subject}."; };
  literalExpression = text: { _type = "literalExpression"; inherit text; };
  showOption = path:
    concatMapStringsSep "." (part: if match "[a-zA-Z_][a-zA-Z0-9_'-]*|<.*>|\\*" part != null then part else toJSON part) path;

  # ---- Types: a name, a test for one definition, and a way to join several ----
  # In the description of another type, one of another class than `classes` stands in parentheses.
  phrase = classes: element: if elem (element.class or null) classes then element.description else "(${element.description})";
  type = attributes: { description = attributes.name; subOptions = _: { }; nested = null; } // attributes // { _type = "option-type"; };
  isType = value: value._type or null == "option-type";
  mergeOne = path: definitions:
    if length definitions == 1 then (head definitions).value
    else throw "The option `${showOption path}' is defined multiple times while it's expected to be unique.";
  mergeEqual = path: definitions:
    foldl'
      (value: definition:
        if definition.value == value then value else throw "The option `${showOption path}' has conflicting definition values:")
      (head definitions).value definitions;
  values = map (definition: definition.value);
  # What stands below one name of a set or at one place of a list is merged like an option of its own.
  joined = path: element: definitions: (evaluate path { type = element; } definitions).value;

  types = rec {
    raw = type { name = "raw"; description = "raw value"; check = _: true; merge = mergeOne; };
    unspecified = type { name = "unspecified"; description = "unspecified value"; check = _: true; merge = mergeOne; };
    anything = type {
      class = "noun";
      name = "anything";
      check = _: true;
      merge = path: definitions:
        if all isAttrs (values definitions) && !(any isDerivation (values definitions)) then
          (lazyAttrsOf anything).merge path definitions
        else mergeEqual path definitions;
    };
    attrs = type {
      name = "attrs";
      description = "attribute set";
      check = isAttrs;
      merge = _: definitions: foldl' (left: right: left // right) { } (values definitions);
    };
    bool = type { class = "noun"; name = "bool"; description = "boolean"; check = isBool; merge = mergeEqual; };
    int = type { class = "noun"; name = "int"; description = "signed integer"; check = isInt; merge = mergeEqual; };
    str = type { class = "noun"; name = "str"; description = "string"; check = isString; merge = mergeEqual; };
    lines = type {
      class = "noun";
      name = "separatedString";
      description = "strings concatenated with \"\\n\"";
      check = isString;
      merge = _: definitions: concatStringsSep "\n" (values definitions);
    };
    path = type {
      class = "noun";
      name = "path";
      description = "absolute path";
      check = value: isStringLike value && substring 0 1 (toString value) == "/";
      merge = mergeEqual;
    };
    package = type { class = "noun"; name = "package"; check = value: isDerivation value || isString value && hasPrefix builtins.storeDir value; merge = mergeOne; };
    strMatching = pattern: type {
      class = "noun";
      name = "strMatching ${toJSON pattern}";
      description = "string matching the pattern ${pattern}";
      check = value: isString value && match pattern value != null;
      merge = mergeEqual;
    };
    ints.unsigned = int // { class = "clause"; name = "unsignedInt"; description = "unsigned integer, meaning >=0"; check = value: isInt value && value >= 0; };
    ints.positive = int // { class = "clause"; name = "positiveInt"; description = "positive integer, meaning >0"; check = value: isInt value && value > 0; };
    ints.between = low: high: int // {
      name = "intBetween";
      description = "integer between ${toString low} and ${toString high} (both inclusive)";
      check = value: isInt value && value >= low && value <= high;
    };
    enum = choices: type {
      class = if length choices < 2 then "noun" else "conjunction";
      name = "enum";
      description = "one of ${concatMapStringsSep ", " toJSON choices}";
      check = value: elem value choices;
      merge = mergeEqual;
    };
    nullOr = element: type {
      name = "nullOr";
      class = "conjunction";
      description = "null or ${phrase [ "noun" "conjunction" ] element}";
      check = value: value == null || element.check value;
      merge = path: definitions:
        if all (value: value == null) (values definitions) then null
        else if any (value: value == null) (values definitions) then
          throw "The option `${showOption path}' is defined both null and not null, in several places."
        else element.merge path definitions;
      inherit (element) subOptions;
      nested = element;
    };
    either = left: right: type {
      name = "either";
      class = "conjunction";
      description = "${phrase [ "noun" "conjunction" ] left} or ${phrase [ "noun" "conjunction" "composite" ] right}";
      check = value: left.check value || right.check value;
      merge = path: definitions:
        if all left.check (values definitions) then left.merge path definitions
        else if all right.check (values definitions) then right.merge path definitions
        else mergeOne path definitions;
    };
    oneOf = choices: foldl' either (head choices) (tail choices);
    listOf = element: type {
      name = "listOf";
      class = "composite";
      description = "list of ${phrase [ "noun" "composite" ] element}";
      check = isList;
      merge = path: definitions:
        concatMap
          (definition:
            genList
              (index: joined (path ++ [ "[definition ${toString (index + 1)}-entry ${toString (index + 1)}]" ]) element
                [ (definition // { value = elemAt definition.value index; }) ])
              (length definition.value))
          definitions;
      subOptions = prefix: element.subOptions (prefix ++ [ "*" ]);
      nested = element;
    };
    attrsOf = element: type {
      name = "attrsOf";
      class = "composite";
      description = "attribute set of ${phrase [ "noun" "composite" ] element}";
      check = isAttrs;
      merge = path: definitions:
        # Names whose definitions all fall to a condition are not there.
        let
          below = pushed definitions;
          evaluated = mapAttrs (name: evaluate (path ++ [ name ]) { type = element; }) below;
        in
        mapAttrs (_: found: found.value) (filterAttrs (_: found: found.defined) evaluated);
      subOptions = prefix: element.subOptions (prefix ++ [ "<name>" ]);
      nested = element;
    };
    lazyAttrsOf = element: (attrsOf element) // {
      name = "lazyAttrsOf";
      merge = path: definitions: mapAttrs (name: joined (path ++ [ name ]) element) (pushed definitions);
    };
    coercedTo = from: function: to: type {
      name = "coercedTo";
      description = "${to.description} or ${from.description} convertible to it";
      check = value: to.check value || from.check value && to.check (function value);
      merge = path: definitions:
        to.merge path
          (map (definition: definition // { value = if from.check definition.value then function definition.value else definition.value; }) definitions);
      inherit (to) subOptions;
      nested = to;
    };
    submodule = modules: type {
      name = "submodule";
      check = value: isAttrs value || isFunction value || builtins.isPath value;
      merge = path: definitions:
        (evalModules {
          # A definition that is a set has no room for declarations.
          modules = toList modules ++ map (value: if isAttrs value then { config = value; } else value) (values definitions);
          prefix = path;
          specialArgs.name = if path == [ ] then "" else elemAt path (length path - 1);
        }).config;
      subOptions = prefix:
        (evalModules { modules = toList modules; inherit prefix; specialArgs.name = "‹name›"; }).options;
    };
  };

  # ---- Evaluation ----
  # A value with its conditions and the like becomes definitions of plain values; what does not hold is gone.
  discharged = definition:
    let
      value = definition.value;
      kind = if isAttrs value then value._type or "" else "";
      with' = changes: discharged (definition // changes);
    in
    if kind == "merge" then concatMap (content: with' { value = content; }) value.contents
    else if kind == "if" then
      if !(isBool value.condition) then throw "mkIf called with a condition that is no boolean" else optionals value.condition (with' { value = value.content; })
    else if kind == "override" then with' { value = value.content; inherit (value) priority; }
    else if kind == "order" then with' { value = value.content; order = value.priority; }
    else [ definition ];

  # Definitions of a set become, by name, definitions of what the names stand for; conditions around the set move inwards,
  # so that the names are known before the conditions are.
  pushed = definitions:
    let
      push = definition:
        let
          value = definition.value;
          kind = if isAttrs value then value._type or "" else "";
          inner = wrap: content: map (set: mapAttrs (_: wrap) set) (push (definition // { value = content; }));
        in
        if kind == "merge" then concatMap (content: push (definition // { value = content; })) value.contents
        else if kind == "if" then inner (mkIf value.condition) value.content
        else if kind == "override" then inner (mkOverride value.priority) value.content
        else if isAttrs value then [ value ]
        else throw "a value is of type ${typeOf value} while a set was expected";
      sets = concatMap (definition: map (set: { inherit definition set; }) (push definition)) definitions;
      names = unique (concatMap (entry: attrNames entry.set) sets);
    in
    genAttrs names (name:
      concatMap (entry: optional (entry.set ? ${name}) (entry.definition // { value = entry.set.${name}; })) sets);

  show = value:
    if isAttrs value || isFunction value || isList value then typeOf value else toJSON (if builtins.isPath value then toString value else value);

  # One option: whether anything defines it, and its value.
  evaluate = path: option: definitions:
    let
      given = concatMap discharged definitions
        ++ optional (option ? default) { value = option.default; priority = 1500; };
      strongest = foldl' (least: definition: let p = definition.priority or 100; in if p < least then p else least) 9999 given;
      winners = filter (definition: (definition.priority or 100) == strongest) given;
      ordered = sortBy (left: right: (left.order or 1000) < (right.order or 1000)) winners;
      wrong = filter (definition: !(option.type.check definition.value)) ordered;
      merged =
        if ordered == [ ] then
          throw "The option `${showOption path}' was accessed but has no value defined. Try setting the option."
        else if wrong != [ ] then
          throw "A definition for option `${showOption path}' is not of type `${option.type.description}'. Definition values: ${show (head wrong).value}"
        else option.type.merge path ordered;
    in
    {
      defined = ordered != [ ];
      value =
        if option.readOnly or false && length (concatMap discharged definitions) > 1 then
          throw "The option `${showOption path}' is read-only, but it's set multiple times."
        else (option.apply or (value: value)) merged;
    };

  # Modules and everything they import, as { options, config } each.
  collect = arguments: modules:
    let
      load = module:
        let
          opened = if builtins.isPath module || isString module then import module else module;
          # Arguments are looked up one by one and late: they may come from the configuration itself.
          called = if isFunction opened then opened (mapAttrs (name: _: arguments name) (functionArgs opened) // arguments "*") else opened;
          structured = called ? config || called ? options;
          unknown = attrNames (removeAttrs called [ "imports" "options" "config" "_file" "key" "disabledModules" "meta" "_class" ]);
        in
        if !(isAttrs called) then throw "a module is of type ${typeOf called} while a set was expected"
        else if structured && unknown != [ ] then
          throw "Module has an unsupported attribute `${head unknown}'. This is caused by introducing a top-level `config' or `options' attribute."
        else
          {
            imports = called.imports or [ ];
            own = {
              options = called.options or { };
              config = if structured then called.config or { } else removeAttrs called [ "imports" "_file" "key" "_class" ];
            };
          };
      # As nixpkgs orders them: what is imported deepest comes first, and what was named last before what was named first.
      go = waiting:
        if waiting == [ ] then [ ]
        else let loaded = map load waiting; in map (entry: entry.own) loaded ++ go (concatMap (entry: entry.imports) loaded);
    in
    reverse (go modules);

  mergeOptions = path: trees:
    let names = unique (concatMap attrNames trees);
    in genAttrs names (name:
      let
        here = path ++ [ name ];
        found = map (tree: tree.${name}) (filter (tree: tree ? ${name}) trees);
        submodules = map (option: option.type) found;
      in
      if all isOption found then
        if length found == 1 then head found
        else if all (one: one.name == "submodule") submodules then throw "the stand-in declares an option once: ${showOption here}"
        else throw "The option `${showOption here}' is already declared."
      else if any isOption found then throw "The option `${showOption here}' is a prefix of options of another module."
      else mergeOptions here found);

  evalModules = { modules, specialArgs ? { }, prefix ? [ ], class ? null }@call:
    let
      parts = collect argument ([ { options._module = internal; } ] ++ modules);
      internal = {
        args = mkOption { type = types.lazyAttrsOf types.raw; default = { }; internal = true; description = "Arguments of modules."; };
        check = mkOption { type = types.bool; default = true; internal = true; description = "Whether to refuse undeclared options."; };
        freeformType = mkOption { type = types.nullOr types.raw; default = null; internal = true; description = "Type of undeclared options."; };
      };
      known = { inherit lib options config extendModules; } // specialArgs;
      argument = name: if name == "*" then known else known.${name} or config._module.args.${name};
      declared = mergeOptions prefix (map (part: part.options) parts);
      build = path: tree: definitions:
        let
          below = pushed definitions;
          strangers = removeAttrs below (attrNames tree);
        in
        {
          inherit strangers;
          tree = mapAttrs
            (name: node:
              let here = path ++ [ name ]; found = below.${name} or [ ];
              in
              if isOption node then
                let result = evaluate here node found;
                in node // { inherit (result) value; isDefined = result.defined; loc = here; definitions = values (concatMap discharged found); }
              else build here node found)
            tree;
        };
      built = build prefix declared (map (part: { value = part.config; }) parts);
      plain = mapAttrs (_: node: if isOption node then node else plain node.tree);
      read = mapAttrs (_: node: if isOption node then node.value else read node.tree);
      undeclared = path: node:
        map (name: path ++ [ name ]) (attrNames (filterAttrs (_: found: concatMap discharged found != [ ]) node.strangers))
        ++ concatLists (mapAttrsToList (name: below: optionals (!(isOption below)) (undeclared (path ++ [ name ]) below)) node.tree);
      options = plain built.tree;
      unchecked = read built.tree;
      config = unchecked // {
        _module = unchecked._module;
      };
      wrong = undeclared prefix built;
      free = unchecked._module.freeformType;
      checked =
        if free != null then free.merge prefix (mapAttrsToList (name: found: { value = { ${name} = (head found).value; }; }) built.strangers) // config
        else if unchecked._module.check && wrong != [ ] then throw "The option `${showOption (head wrong)}' does not exist."
        else config;
      extendModules = more: evalModules (call // { modules = modules ++ more.modules or [ ]; specialArgs = specialArgs // more.specialArgs or { }; });
    in
    {
      inherit options extendModules;
      config = removeAttrs checked [ "_module" ];
      _module = unchecked._module;
    };

  # The declarations of all options, those of submodules included, as nixpkgs prepares them for documentation.
  optionAttrSetToDocList = set:
    let
      render = value: if value._type or null == "literalExpression" then value else literalExpression (pretty value);
      go = node:
        if isOption node then
          [
            ({
              inherit (node) loc;
              name = showOption node.loc;
              description = node.description or null;
              internal = node.internal or false;
              visible = node.visible or true;
              readOnly = node.readOnly or false;
              type = node.type.description;
            }
            // optionalAttrs (node ? example) { example = render node.example; }
            // optionalAttrs (node ? default || node ? defaultText) { default = render (node.defaultText or node.default); })
          ] ++ concatMap go (attrValues (removeAttrs (node.type.subOptions node.loc) [ "_module" ]))
        else concatMap go (attrValues node);
    in
    concatMap go (attrValues (removeAttrs set [ "_module" ]));
  pretty =
    let
      go = indent: value:
        let
          inner = "\n${indent}  ";
          outer = "\n${indent}";
          lines = splitString "\n" value;
          all-but-last = genList (elemAt lines) (length lines - 1);
          last = elemAt lines (length lines - 1);
        in
        if isDerivation value then "<derivation ${value.name}>"
        else if value == { } then "{ }"
        else if value == [ ] then "[ ]"
        else if isString value && length lines > 1 then
          "''${inner}${concatStringsSep inner all-but-last}${if last == "" then outer else inner + last}''"
        else if isList value then "[${inner}${concatMapStringsSep inner (go "${indent}  ") value}${outer}]"
        else if isAttrs value then
          "{${inner}${concatStringsSep inner (mapAttrsToList (name: part: "${name} = ${go "${indent}  " part};") value)}${outer}}"
        else toJSON value;
    in
    go "";

  lib = {
    inherit
      all any attrByPath attrNames attrValues concatLines concatLists concatMap concatMapStrings concatMapStringsSep concatStrings concatStringsSep
      elem escapeShellArg escapeShellArgs evalModules filter filterAttrs foldl' genAttrs getExe' hasAttr hasAttrByPath hasInfix hasPrefix
      hasSuffix head isAttrs isDerivation isOption isString kernel last length literalExpression mapAttrs mapAttrs' mapAttrsToList match
      mkAfter mkBefore mkDefault mkEnableOption mkForce mkIf mkMerge mkOption mkOptionDefault mkOrder mkOverride nameValuePair
      optional optionalAttrs optionals optionalString optionAttrSetToDocList removePrefix replaceStrings setAttrByPath showOption
      splitString tail take toList trivial types unique versionAtLeast;
  };
in
lib
