// Package wal is the log of a database node.
package wal
