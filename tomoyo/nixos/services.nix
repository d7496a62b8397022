# The services that the policy library has policies for.
builtins.attrNames (builtins.readDir ../policies/services)
