package server

import (
	"slices"
	"strings"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

func trackingCommands() []connectionCommand {
	const free = command.NoScript
	return []connectionCommand{
		entry("client|tracking", "connection", -3, free, (*conn).clientTracking),
		entry("client|trackinginfo", "connection", 2, free, (*conn).clientTrackingInfo),
		entry("client|caching", "connection", 3, free, (*conn).clientCaching),
		entry("client|getredir", "connection", 2, free, (*conn).clientGetRedir),
	}
}

func (c *conn) clientTracking(_ *command.Command, args [][]byte) error {
	mode, err := c.parseTracking(args[3:])
	if err != nil {
		return err
	}
	if mode.on, err = onOff(args[2]); err != nil {
		return err
	}
	if !mode.on {
		mode = trackingMode{}
	} else if err := c.checkTracking(&mode); err != nil {
		return err
	}
	c.setTracking(mode)
	c.out.OK()
	return nil
}

// parseTracking parses the options of CLIENT TRACKING.
func (c *conn) parseTracking(args [][]byte) (mode trackingMode, err error) {
	for ; len(args) > 0; args = args[1:] {
		switch arg := args[0]; {
		case equal(arg, "REDIRECT") && len(args) > 1:
			if mode.redirect != 0 {
				return mode, command.Error("ERR A client can only redirect to a single other client")
			}
			id, ok := resp.ParseInt(args[1])
			if !ok {
				return mode, command.ErrNotInt
			}
			if c.server.connection(id) == nil {
				return mode, command.Error("ERR The client ID you want redirect to does not exist")
			}
			mode.redirect, args = id, args[1:]
		case equal(arg, "BCAST"):
			mode.broadcast = true
		case equal(arg, "OPTIN"):
			mode.optIn = true
		case equal(arg, "OPTOUT"):
			mode.optOut = true
		case equal(arg, "NOLOOP"):
			mode.noLoop = true
		case equal(arg, "PREFIX") && len(args) > 1:
			mode.prefixes, args = append(mode.prefixes, string(args[1])), args[1:]
		default:
			return mode, command.ErrSyntax
		}
	}
	return mode, nil
}

// checkTracking checks whether a client can track so, after what it tracks now. Prefixes are added to those that it has.
func (c *conn) checkTracking(mode *trackingMode) error {
	now := &c.tracker.trackingMode
	switch l := c.server.lead.Load(); {
	case !mode.broadcast && len(mode.prefixes) > 0:
		return command.Error("ERR PREFIX option requires BCAST mode to be enabled")
	case now.on && now.broadcast != mode.broadcast:
		return command.Error("ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.")
	case mode.broadcast && (mode.optIn || mode.optOut):
		return command.Error("ERR OPTIN and OPTOUT are not compatible with BCAST")
	case mode.optIn && mode.optOut:
		return command.Error("ERR You can't specify both OPTIN mode and OPTOUT mode")
	case mode.optIn && now.optOut, mode.optOut && now.optIn:
		return command.Error("ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.")
	case mode.broadcast && l != nil && !l.here:
		return command.Errorf("ERR BCAST is for clients of the node that leads, which is at '%s'", l.addr)
	case !mode.broadcast:
		return nil
	}
	if len(mode.prefixes) == 0 {
		mode.prefixes = []string{""}
	}
	overlap := func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
	for i, p := range mode.prefixes {
		for _, old := range now.prefixes {
			if overlap(p, old) && p != old {
				return command.Errorf("ERR Prefix '%s' overlaps with an existing prefix '%s'. Prefixes for a single client must not overlap.", p, old)
			}
		}
		for _, other := range mode.prefixes[i+1:] {
			if overlap(p, other) {
				return command.Errorf("ERR Prefix '%s' overlaps with another provided prefix '%s'. Prefixes for a single client must not overlap.", p, other)
			}
		}
	}
	mode.prefixes = append(mode.prefixes, now.prefixes...)
	slices.Sort(mode.prefixes)
	mode.prefixes = slices.Compact(mode.prefixes)
	if len(mode.prefixes) > trackingPrefixesMax {
		return command.Errorf("ERR a client tracks at most %d prefixes", trackingPrefixesMax)
	}
	return nil
}

func (c *conn) clientTrackingInfo(*command.Command, [][]byte) error {
	t := &c.tracker
	flags := []string{"on"}
	if !t.on {
		flags[0] = "off"
	}
	for _, f := range []struct {
		on   bool
		name string
	}{
		{t.broadcast, "bcast"},
		{t.optIn, "optin"},
		{t.optIn && t.caching, "caching-yes"},
		{t.optOut, "optout"},
		{t.optOut && t.caching, "caching-no"},
		{t.noLoop, "noloop"},
		{t.broken.Load(), "broken_redirect"},
	} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	c.out.Map(3)
	c.out.BulkString("flags")
	c.out.Set(len(flags))
	for _, f := range flags {
		c.out.BulkString(f)
	}
	c.out.BulkString("redirect")
	c.out.Int(t.redirection())
	c.out.BulkString("prefixes")
	c.out.Array(len(t.prefixes))
	for _, p := range t.prefixes {
		c.out.BulkString(p)
	}
	return nil
}

// redirection returns the connection that hears what is stale, as CLIENT GETREDIR does: 0 for this one, -1 if nobody does.
func (t *tracker) redirection() int64 {
	if !t.on {
		return -1
	}
	return t.redirect
}

func (c *conn) clientCaching(_ *command.Command, args [][]byte) error {
	t := &c.tracker
	switch yes := equal(args[2], "YES"); {
	case !t.optIn && !t.optOut:
		return command.Error("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
	case !yes && !equal(args[2], "NO"):
		return command.ErrSyntax
	case yes && !t.optIn:
		return command.Error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
	case !yes && !t.optOut:
		return command.Error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
	}
	t.caching = true
	c.out.OK()
	return nil
}

func (c *conn) clientGetRedir(*command.Command, [][]byte) error {
	c.out.Int(c.tracker.redirection())
	return nil
}
