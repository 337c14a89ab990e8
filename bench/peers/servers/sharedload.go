package main

import (
	"context"
	"math/bits"

	"github.com/redis/rueidis"
)

// sharedClient is one of several clients of a server that speaks Redis's protocol which share connections, as the
// library has it: requests that come while another one is written go out together.
type sharedClient struct {
	rueidis.Client
	owner bool // closes it
}

// sharedClients connects clients as etcdClients does, with as many connections or a few less: the library wants a power
// of two.
func sharedClients(_ context.Context, s *settings, y *system, clients int) ([]client, error) {
	shared, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{y.address}, ForceSingleClient: true, DisableCache: true, AlwaysPipelining: true,
		PipelineMultiplex: bits.Len(uint(min(s.connections, clients))) - 1}) //nolint:gosec // both are positive
	if err != nil {
		return nil, err
	}
	var all []client
	for i := range clients {
		all = append(all, &sharedClient{shared, i == 0})
	}
	return all, nil
}

func (c *sharedClient) put(ctx context.Context, key, value string) error {
	return c.Do(ctx, c.B().Set().Key(key).Value(value).Build()).Error()
}

func (c *sharedClient) read(ctx context.Context, keys []string) ([]string, error) {
	return c.Do(ctx, c.B().Mget().Key(keys...).Build()).AsStrSlice()
}

func (c *sharedClient) close() {
	if c.owner {
		c.Close()
	}
}
