# What a policy's state is to the kernel: the number of the profile that its domains use.
{
  disable = 0;
  learn = 1;
  permissive = 2;
  enforce = 3;
}
