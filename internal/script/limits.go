package script

// The bounds of what a script may do. Redis's own where it has one.
const (
	// stringBytesMax is the longest string a script can make: a bulk string of
	// Redis cannot be longer either.
	stringBytesMax = 512 << 20
	// callDepthMax bounds calls in the main thread (Lua: 20,000), threadDepthMax
	// those in a coroutine. A Go stack holds both, also when each call goes
	// through a metamethod.
	callDepthMax   = 16000
	threadDepthMax = 1000
	// threadNestingMax bounds coroutines that resume one another (Lua: 200 with
	// all other nested C calls), threadsMax those a run creates.
	threadNestingMax = 64
	threadsMax       = 100_000
	// nativeDepthMax bounds nested calls between library functions and Lua
	// (Lua: 200 C calls).
	nativeDepthMax = 200
	// registrySlotsMax bounds the values on the stack of a thread.
	registrySlotsMin = 256
	registrySlotsMax = 512 << 10
	registryGrowth   = 4 << 10
	// arrayIndexMax is the first index that a table keeps in its hash part: the
	// interpreter fills the array part up to the highest index below it.
	arrayIndexMax = 1 << 18
	// holesMax bounds the empty places in tables that one cmsgpack.unpack makes.
	holesMax = 4 << 20
	// resultsMax bounds the results of unpack and its like (LUAI_MAXCSTACK).
	resultsMax = 8000
	// syntaxDepthMax bounds the nesting of a program's syntax (Lua: 200 levels
	// of its parser; operators that Lua parses in a loop count here as well).
	syntaxDepthMax = 4000
	// sourceBytesMax bounds a program.
	sourceBytesMax = 64 << 20
	// ReplyDepthMax bounds nested tables in what a script returns.
	ReplyDepthMax = 1000
	// dataDepthMax bounds what cjson and cmsgpack nest whatever is configured.
	dataDepthMax = 4000
	// patternDepthMax bounds the recursion of a pattern match.
	patternDepthMax = 10_000
	// stepsPerCheck is how often library loops look at the context.
	stepsPerCheck = 1 << 14
)
