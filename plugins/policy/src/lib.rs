//! What a plugin may do: permissions, grants, the guard; pure.
