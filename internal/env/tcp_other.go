//go:build !linux

package env

import (
	"io"
	"net"
	"syscall"
)

// writeNow writes nothing: the writer does.
func writeNow(syscall.RawConn, [][]byte) (int, error) { return 0, nil }

// reader reads from a connection.
func reader(conn net.Conn, _ syscall.RawConn) io.Reader { return conn }
