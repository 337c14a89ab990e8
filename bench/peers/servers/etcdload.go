package main

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdClient is one of several clients of etcd that share a connection.
type etcdClient struct {
	*clientv3.Client
	owner bool // closes the connection
}

func dialEtcd(address string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{"http://" + address}, DialTimeout: startLimit, Logger: zap.NewNop()})
}

// etcdClients connects clients to the member that leads, with s.connections connections.
func etcdClients(_ context.Context, s *settings, y *system, clients int) ([]client, error) {
	var all []client
	var connections []*clientv3.Client
	for i := range clients {
		owner := i < s.connections
		if owner {
			c, err := dialEtcd(y.address)
			if err != nil {
				for _, c := range all {
					c.close()
				}
				return nil, err
			}
			connections = append(connections, c)
		}
		all = append(all, &etcdClient{connections[i%len(connections)], owner})
	}
	return all, nil
}

func (c *etcdClient) put(ctx context.Context, key, value string) error {
	_, err := c.Put(ctx, key, value)
	return err
}

func (c *etcdClient) read(ctx context.Context, keys []string) ([]string, error) {
	var gets []clientv3.Op
	for _, k := range keys {
		gets = append(gets, clientv3.OpGet(k))
	}
	r, err := c.Txn(ctx).Then(gets...).Commit()
	if err != nil {
		return nil, err
	}
	values := make([]string, len(keys))
	for i, one := range r.Responses {
		for _, kv := range one.GetResponseRange().Kvs {
			values[i] = string(kv.Value)
		}
	}
	return values, nil
}

func (c *etcdClient) close() {
	if c.owner {
		_ = c.Close()
	}
}

// etcdLeader returns the address of the member that leads, once all have joined; "" before.
func etcdLeader(ctx context.Context, addresses []string) string {
	leader := ""
	for _, a := range addresses {
		c, err := dialEtcd(a)
		if err != nil {
			return ""
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		status, err := c.Status(ctx, "http://"+a)
		cancel()
		_ = c.Close()
		if err != nil || status.Leader == 0 {
			return ""
		}
		if status.Leader == status.Header.MemberId {
			leader = a
		}
	}
	return leader
}
