// Package rdb is the form in which Redis 7.0 dumps values (DUMP, RESTORE), so that they can be moved to and from it.
//
// Encode writes the plain forms of each type, which all versions since 4.0 read. Decode reads what
// 7.0 writes, and the ziplists of versions before it. It trusts no byte: what is wrong is
// ErrFormat, and nothing that a length claims is allocated before so many bytes are there, or a bound
// (ExpandedBytesMax) allows it.
package rdb
