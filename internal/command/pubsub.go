package command

// publish sends a message when the transaction is released. How many clients get it is not known before.
func publish(c *Call) error {
	shard := c.Name == "spublish"
	*c.Messages = append(*c.Messages, Message{Channel: clone(c.Arg(1)), Payload: clone(c.Arg(2)), Shard: shard})
	c.Out.Int(int64(c.Shared.Receivers(c.Arg(1), shard)))
	return nil
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }
