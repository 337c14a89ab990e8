package server

import "testing"

// What ends a transaction, and what is watched with it.
func TestTransactionsEnd(t *testing.T) {
	addr := newTestServer(t, nil)
	for name, test := range map[string][][]string{
		"UNWATCH is queued, and what is watched counts": {
			{"WATCH", "k"}, {"MULTI"}, {"UNWATCH"}, {"PING"},
			{"EXEC", "[OK PONG]"},
		},
		"UNWATCH does not keep EXEC from seeing a change": {
			{"WATCH", "k"}, {"SET", "k", "v"}, {"MULTI"}, {"UNWATCH"},
			{"EXEC", "nil[]"},
		},
		"EXEC with arguments ends it": {
			{"WATCH", "k"}, {"MULTI"}, {"PING"},
			{"EXEC", "now", "!EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"},
			{"SET", "k", "v"}, {"MULTI"}, {"PING"},
			{"EXEC", "[PONG]"},
		},
		"EXEC with arguments and no MULTI": {
			{"EXEC", "now", "!EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"},
		},
		"a script may look for what it does not wait for": {
			{"EVAL", "return redis.call('BLMPOP', 0, 1, 'none', 'LEFT')", "0", "nil"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, addr)
			for _, step := range test {
				switch last := len(step) - 1; step[0] {
				case "EXEC", "EVAL":
					if got := c.ask(step[:last]...); got != step[last] {
						t.Errorf("%q: got %s, want %s", step[:last], got, step[last])
					}
				default:
					c.ask(step...)
				}
			}
		})
	}
}
