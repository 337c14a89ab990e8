package main

// arguments returns those of the kinds that templates name, beside the kinds that are made (generator.argument).
func arguments() map[string][]string {
	return map[string][]string{
		"int":     {"0", "1", "-1", "2", "-2", "3", "7", "-100", "100", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.5", "abc", "", " 1", "1 ", "+1", "01", "-0"},
		"small":   {"0", "1", "2", "3", "5", "-1", "-2", "-3", "-5", "100"},
		"count":   {"0", "1", "2", "3", "5", "100", "-1", "abc"},
		"float":   {"0", "-0", "1", "2", "3.5", "-1.5", "0.1", "1e3", "100", "1e20", "inf", "-inf", "+inf", "Infinity", "nan", "1e400", "-1e400", "1e-400", "5e-324", "1.7976931348623157e308", "0x1p3", "0x1f", ".5", "5.", "1e", "e1", "", " 1", "1 ", "1_0", "+5", "--5", "3.0e-2", "abc", "00012", "1e+2"},
		"score":   {"0", "1", "2", "3", "-1", "1.5", "2.25", "1e3", "1e17", "-1e30", "inf", "-inf", "0.1", "5e-324", "123456789012345678"},
		"bound":   {"0", "1", "(1", "2", "(2", "-1", "(0", "1.5", "-inf", "+inf", "inf", "(inf", "(-inf", "((1", "(", "", "nan", "(nan", "abc", "1e400", "(1e400", "(1e-400", "0x2", "( 1"},
		"lex":     {"-", "+", "[a", "(a", "[b", "(c", "[", "(", "[1", "(1", "a", "", "--", "[e\x00\xff"},
		"ttl":     {"1000000", "2000000", "0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775", "9300000000000000", "abc", "1.5", ""},
		"at":      {"4102444800", "4102444800000", "1", "0", "-1", "9223372036854775807", "abc"},
		"pattern": {"*", "s*", "?0", "[sl]1", "[^s]*", "[a-h]?", "\\s0", "s\\0", "*0", "", "[", "z[0-2", "s**0", "missing*"},
		"by":      {"*", "s*", "s1", "h*->a", "nosort", "w_*", "h0->*", "->*"},
		"timeout": {"0.001", "-1", "abc", "nan", "1e400", "-0.5", "1e16", "inf", "0x1p-9"},
		"offset":  {"0", "1", "3", "10", "20000", "40000", "-1", "abc", "536870912", "9223372036854775807"},
		"db":      {"0", "1", "0", "1", "15", "16", "-1", "abc"},
	}
}

// templates returns those of all commands whose effect and reply follow from the data.
func templates() []string {
	return []string{
		"APPEND <s> <value>", "APPEND <s> <value>",
		"DECR <s>", "DECRBY <s> <int>", "INCR <s>", "INCRBY <s> <int>", "INCRBYFLOAT <s> <float>",
		"GET <s>", "GETDEL <s>", "GETEX <s> {|PERSIST|EX <ttl>|PX <ttl>|EXAT <at>|PXAT <at>}", "GETRANGE <s> <int> <int>", "GETSET <s> <value>",
		"GETRANGE <s> {0|5|16000} {100|16400|-1|50000}", "SETRANGE <s> {0|8190|16380} <value>",
		"LCS <s> <s> {|LEN|IDX} {|MINMATCHLEN <int>} {|WITHMATCHLEN}",
		"MGET +(<key>)", "MSET +(<s> <value>)", "MSETNX +(<s> <value>)", "PSETEX <s> <ttl> <value>", "SETEX <s> <ttl> <value>", "SETNX <s> <value>",
		"SET <s> <value>", "SET <key> <value> {|NX|XX} {|GET} {|KEEPTTL|EX <ttl>|PX <ttl>|EXAT <at>|PXAT <at>}", "SETRANGE <s> <offset> <value>", "STRLEN <s>", "SUBSTR <s> <int> <int>",

		"LPUSH <l> +(<member>)", "RPUSH <l> +(<member>)", "LPUSH <l> +(<value>)", "RPUSH <l> +(<member>)", "LPUSHX <l> +(<member>)", "RPUSHX <l> +(<member>)",
		"LINDEX <l> <int>", "LINSERT <l> {BEFORE|AFTER|abc} <member> <value>", "LLEN <l>", "LMOVE <l> <l> {LEFT|RIGHT} {LEFT|RIGHT|abc}", "LMPOP {1 <l>|2 <l> <l>|<int> <l>} {LEFT|RIGHT} {|COUNT <count>}",
		"LPOP <l> {|<count>}", "RPOP <l> {|<count>}", "LPOS <l> <member> {|RANK <int>} {|COUNT <count>} {|MAXLEN <count>}", "LRANGE <l> <int> <int>", "LRANGE <l> <small> <small>", "LREM <l> <int> <member>",
		"LSET <l> <int> <value>", "LTRIM <l> <small> <small>", "LTRIM <l> <int> <int>", "RPOPLPUSH <l> <l>",
		"BLPOP +(<l>) <timeout>", "BRPOP +(<l>) <timeout>", "BRPOPLPUSH <l> <l> <timeout>", "BLMOVE <l> <l> {LEFT|RIGHT} {LEFT|RIGHT} <timeout>", "BLMPOP <timeout> 1 <l> {LEFT|RIGHT} {|COUNT <count>}",

		"HSET <h> +(<member> <value>)", "HSET <h> +(<member> <value>)", "HMSET <h> +(<member> <value>)", "HSETNX <h> <member> <value>", "HDEL <h> +(<member>)", "HEXISTS <h> <member>", "HGET <h> <member>", "HGETALL <h>",
		"HINCRBY <h> <member> <int>", "HINCRBYFLOAT <h> <member> <float>", "HKEYS <h>", "HLEN <h>", "HMGET <h> +(<member>)", "HRANDFIELD <h> {|<count>} {|WITHVALUES}", "HSTRLEN <h> <member>", "HVALS <h>",
		"HSCAN <h> 0 {|MATCH <pattern>} {|COUNT 1000}",

		"SADD <t> +(<member>)", "SADD <t> +(<member>)", "SADD <t> +(<value>)", "SCARD <t>", "SDIFF +(<t>)", "SDIFFSTORE <t> +(<t>)", "SINTER +(<t>)", "SINTERCARD {1 <t>|2 <t> <t>|<int> <t>} {|LIMIT <int>}", "SINTERSTORE <t> +(<t>)",
		"SISMEMBER <t> <member>", "SMEMBERS <t>", "SMISMEMBER <t> +(<member>)", "SMOVE <t> <t> <member>", "SPOP <t> {|<int>}", "SRANDMEMBER <t> {|<count>}", "SREM <t> +(<member>)", "SUNION +(<t>)", "SUNIONSTORE <t> +(<t>)",
		"SSCAN <t> 0 {|MATCH <pattern>} {|COUNT 1000}",

		"ZADD <z> +(<score> <member>)", "ZADD <z> +(<score> <member>)", "ZADD <z> {|NX|XX} {|GT|LT} {|CH} {|INCR} +(<score> <member>)", "ZADD <z> {|NX|XX} {|GT|LT} {|CH} {|INCR} <float> <member>", "ZCARD <z>", "ZCOUNT <z> <bound> <bound>",
		"ZINCRBY <z> <float> <member>", "ZINCRBY <z> <score> <member>", "ZLEXCOUNT <y> <lex> <lex>", "ZMSCORE <z> +(<member>)", "ZPOPMAX <z> {|<count>}", "ZPOPMIN <z> {|<count>}", "ZMPOP {1 <z>|2 <z> <z>|<int> <z>} {MIN|MAX} {|COUNT <count>}",
		"ZRANDMEMBER <z> {|<count>} {|WITHSCORES}", "ZRANGE <z> <int> <int> {|REV} {|WITHSCORES}", "ZRANGE <z> <small> <small> {|REV} {|WITHSCORES}", "ZRANGE <z> <bound> <bound> BYSCORE {|REV} {|LIMIT <small> <small>} {|WITHSCORES}",
		"ZADD <y> +(0 <member>)", "ZREM <y> <member>", "ZRANGE <y> <lex> <lex> BYLEX {|REV} {|LIMIT <small> <small>}", "ZRANGEBYLEX <y> <lex> <lex> {|LIMIT <int> <int>}", "ZRANGEBYSCORE <z> <bound> <bound> {|WITHSCORES} {|LIMIT <int> <int>}",
		"ZRANGESTORE <z> <z> {<small> <small>|<bound> <bound> BYSCORE} {|REV} {|LIMIT <small> <small>}", "ZRANGESTORE <z> <y> <lex> <lex> BYLEX {|REV} {|LIMIT <small> <small>}", "ZRANK <z> <member>", "ZREM <z> +(<member>)", "ZREMRANGEBYLEX <y> <lex> <lex>", "ZREMRANGEBYRANK <z> <small> <small>",
		"ZREMRANGEBYSCORE <z> <bound> <bound>", "ZREVRANGE <z> <small> <small> {|WITHSCORES}", "ZREVRANGEBYLEX <y> <lex> <lex> {|LIMIT <int> <int>}", "ZREVRANGEBYSCORE <z> <bound> <bound> {|WITHSCORES} {|LIMIT <int> <int>}", "ZREVRANK <z> <member>",
		"ZSCORE <z> <member>", "ZDIFF {1 <z>|2 <z> <z>} {|WITHSCORES}", "ZDIFFSTORE <z> {1 <z>|2 <z> <z>}", "ZINTER {1 <z>|2 <z> {<z>|<t>} {|WEIGHTS <float> <float>}} {|AGGREGATE {SUM|MIN|MAX|abc}} {|WITHSCORES}",
		"ZINTERCARD {1 <z>|2 <z> {<z>|<t>}|<int> <z>} {|LIMIT <int>}", "ZINTERSTORE <z> {1 <z>|2 <z> {<z>|<t>} {|WEIGHTS <score> <score>}} {|AGGREGATE {SUM|MIN|MAX}}",
		"ZUNION {1 <z>|2 <z> {<z>|<t>} {|WEIGHTS <float> <float>}} {|AGGREGATE {SUM|MIN|MAX}} {|WITHSCORES}", "ZUNIONSTORE <z> {1 <z>|2 <z> {<z>|<t>} {|WEIGHTS <score> <score>}} {|AGGREGATE {SUM|MIN|MAX}}",
		"ZSCAN <z> 0 {|MATCH <pattern>} {|COUNT 1000}",
		"BZPOPMIN +(<z>) <timeout>", "BZPOPMAX +(<z>) <timeout>", "BZMPOP <timeout> 1 <z> {MIN|MAX} {|COUNT <count>}",

		"COPY <key> <key> {|DB <db>} {|REPLACE}", "DEL +(<key>)", "UNLINK +(<key>)", "EXISTS +(<key>)", "TOUCH +(<key>)", "EXPIRE <key> <ttl> {|NX|XX|GT|LT|abc}", "PEXPIRE <key> <ttl> {|NX|XX|GT|LT} {|NX|XX|GT|LT}",
		"EXPIREAT <key> <at> {|NX|XX|GT|LT}", "PEXPIREAT <key> <at> {|NX|XX|GT|LT}", "EXPIRETIME <key>", "PEXPIRETIME <key>", "TTL <key>", "PTTL <key>", "PERSIST <key>", "KEYS <pattern>", "MOVE <key> <db>", "RENAME <key> <key>", "RENAMENX <key> <key>",
		"SCAN 0 {|MATCH <pattern>} {|TYPE {string|list|hash|set|zset|abc}} COUNT 1000", "TYPE <key>", "RANDOMKEY", "DBSIZE", "OBJECT abc <h>",
		"SORT {<l>|<t>} {|BY <by>} {|LIMIT <small> <small>} *(GET {#|s*|h*->a|<by>}) {|ASC|DESC}", "SORT {<l>|<t>|<z>} ALPHA {|LIMIT <small> <small>} {|ASC|DESC}", "RPUSH <q> +(<member>)", "LPOP <q>", "SORT <q> BY nosort {|LIMIT <small> <small>} {|ASC|DESC} {|GET #}", "SORT <l> ALPHA STORE <l>", "SORT_RO <l> ALPHA",
		"SWAPDB <db> <db>", "SELECT <db>", "ECHO <value>", "PING {|<value>}", "FLUSHDB {|SYNC|ASYNC|abc}",
		"WATCH +(<key>)", "UNWATCH", "MULTI", "EXEC", "EXEC", "EXEC", "DISCARD", "NOSUCH <key>", "COMMAND NOSUCH",
	}
}

// scripts returns what EVAL runs, beside what calls a command.
func scripts() []string {
	return []string{
		"return {1,2,{3,'a'},nil,4}", "return {ok='fine'}", "return {err='ERR bad'}", "return 3.99", "return -3.99", "return redis.status_reply('X')", "return redis.error_reply('My error')",
		"return {1,false,true,nil}", "return true", "return false", "return nil", "return {double=3.5}", "return {map={a=1}}", "return {set={a=true}}", "return {big_number='12345678901234567890'}",
		"redis.setresp(3); return {double=3.5}", "redis.setresp(3); return {map={a=1}}", "return {verbatim_string={format='txt',string='hi'}}",
		"return cjson.encode(ARGV)", "return type(redis.call('get',KEYS[1]))", "return redis.call('get')", "return redis.pcall('get')", "return redis.pcall('lpush',KEYS[1],1)['err']",
		"error('boom')", "error({err='MY boom'})", "return nosuch", "return redis.call('nosuch')", "local x = ", "return redis.sha1hex(ARGV[1])", "return {#KEYS,#ARGV,KEYS[1],ARGV[2]}", "return 2^53", "return 1/0", "return cmsgpack.pack({1,2,'a'})",
		"redis.call('set',KEYS[1],'v'); return redis.call('lpush',KEYS[1],'w')", "redis.call('set',KEYS[1],'v'); error('late')", "return string.format('%5.2f|%d|%s|%q', 3.14159, 42, 'x', 'y\"z')", "return table.concat({1,2,3},',')",
		"return bit.band(255, 15)", "return struct.pack('>I4', 7)", "return redis.call('mget', KEYS[1], 'missing')", "return redis.call('multi')", "return redis.call('incrbyfloat', KEYS[1], '0.1')",
	}
}
