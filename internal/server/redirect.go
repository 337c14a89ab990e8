package server

import (
	"bytes"

	"github.com/godwitdb/godwit/internal/command"
)

// slots is how many parts clients of a Redis cluster divide the keys into. All of them are where the leader is.
const slots = 16384

// moved refuses a command on keys that another node executes if the server redirects: the client goes there itself.
func (c *conn) moved(cmd *command.Command, args [][]byte) error {
	if !c.server.opts.Redirect || c.peer.Load() || c.readOnly && cmd.Flags&command.ReadOnly != 0 {
		return nil
	}
	l := c.server.lead.Load()
	if l == nil || l.here || l.addr == "" {
		return nil // if nobody leads, the command waits
	}
	keys, _ := cmd.Of(args) // the command itself says what is wrong with them
	if len(keys) == 0 {
		return nil
	}
	return command.Errorf("MOVED %d %s", slot(keys[0]), l.addr)
}

// slot returns the part of the keys that one is in: by what is between the first braces, if there is something.
func slot(key []byte) int {
	if _, after, ok := bytes.Cut(key, []byte("{")); ok {
		if tag, _, ok := bytes.Cut(after, []byte("}")); ok && len(tag) > 0 {
			key = tag
		}
	}
	return int(crc16(key)) % slots
}

// crc16 is the checksum of XMODEM.
func crc16(b []byte) (sum uint16) {
	const polynomial = 0x1021
	for _, x := range b {
		sum ^= uint16(x) << 8
		for range 8 {
			carry := sum&0x8000 != 0
			sum <<= 1
			if carry {
				sum ^= polynomial
			}
		}
	}
	return sum
}
