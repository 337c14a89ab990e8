// Package history records what the clients of a database saw, and checks whether
// a strictly serializable database can have answered so.
package history
