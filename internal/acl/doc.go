// Package acl says who may do what, in the rules that Redis has for it: users, each with passwords, the commands
// that they may call, and the keys and channels that these may touch.
//
// A User is read from rules (User.Apply) and written as rules (User.String), which are what is stored. It never
// changes once others may see it: a change makes a new one.
//
// A password is stored as argon2id of its SHA-256, so that it makes no difference whether the
// password or, as tools for Redis have it, its SHA-256 came.
package acl
