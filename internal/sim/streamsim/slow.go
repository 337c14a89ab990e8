package streamsim

import "github.com/godwitdb/godwit/quorum"

// Excuses are the waits for their own disk that members may do without a limit.
func Excuses() []quorum.Excuse {
	return []quorum.Excuse{
		{Task: "main", What: "open", Reason: "a member is nobody before it has read its disk"},
		{Task: "main", What: "stream load", Reason: "the same"},
		{Task: "stream disk", What: "stream write", Reason: "it is the task that writes; the others wait for a majority"},
		{Task: "stream disk", What: "stream witness", Reason: "the same"},
		{Task: "stream own disk", What: "stream durable", Reason: "it casts the own disk's vote"},
		{Task: "stream read ahead", What: "stream read", Reason: "it reads for one follower, who is told meanwhile that the leader is there"},
		{Task: "stream reader", What: "stream read", Reason: "it waits for whoever has stopped waiting"},
		{Task: "apply", What: "stream read", Reason: "it carries out what is on the own disk"},
		{Task: "reign", What: "stream read", Reason: "the same, of what the leader has adopted"},
	}
}
