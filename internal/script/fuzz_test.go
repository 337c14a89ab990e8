package script

import (
	"context"
	"testing"
)

// The decoders take any bytes: they answer or raise an error of the script,
// and what they accept comes back the same when it is encoded again.

func fuzzDecoder(f *testing.F, source string, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	var pool Pool
	prog := mustCompile(f, source)
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := pool.Run(context.Background(), prog, nil, [][]byte{data}, Env{})
		if err != nil {
			t.Fatal(err)
		}
		if v.Kind == KindError {
			t.Fatal(string(v.Str))
		}
	})
}

func FuzzJSONDecode(f *testing.F) {
	fuzzDecoder(f, `
		local ok, v = pcall(cjson.decode, ARGV[1])
		if not ok then return v end
		cjson.encode_invalid_numbers(true)
		local text = cjson.encode(v)
		local again = cjson.encode(cjson.decode(text))
		if text ~= again then error(text .. ' became ' .. again) end
		return 1`,
		`{"a":[1,2.5,null,true,"x\u00e4\ud83d\ude00"],"b":{}}`, `[1e400,-inf,0x10,nan]`, `"\`, `[`, `{"a"`, "\x00")
}

func FuzzMsgpackUnpack(f *testing.F) {
	fuzzDecoder(f, `
		local ok, v = pcall(cmsgpack.unpack, ARGV[1])
		if not ok then return tostring(v) end
		local packed = cmsgpack.pack(v)
		local again = cmsgpack.pack(cmsgpack.unpack(packed))
		if packed ~= again then error('changed') end
		return 1`,
		"\x93\x01\xa1a\xc0", "\x81\xa1a\xcb?\xf0\x00\x00\x00\x00\x00\x00", "\xdd\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff")
}

func FuzzStructUnpack(f *testing.F) {
	fuzzDecoder(f, `
		local split = (ARGV[1]:find('|', 1, true) or 0)
		local r = {pcall(struct.unpack, ARGV[1]:sub(1, split - 1), ARGV[1]:sub(split + 1))}
		pcall(struct.size, ARGV[1]:sub(1, split - 1))
		return #r`,
		">I4bs|\x00\x00\x00\x01xabc\x00", "c0|x", "bc0|\x03abc", "!8 d|12345678", "i99|x", "c99999999999|")
}

func FuzzPattern(f *testing.F) {
	fuzzDecoder(f, `
		local split = (ARGV[1]:find('|', 1, true) or 0)
		local pattern, text = ARGV[1]:sub(1, math.min(split - 1, 12)), ARGV[1]:sub(split + 1, split + 20)
		pcall(string.find, text, pattern)
		pcall(string.gsub, text, pattern, '%1')
		pcall(string.format, pattern, text, 1, 2)
		return 1`,
		"(%a+)%s*=|key = value", "%b()|f(a(b))", "%f[%w]|THE", "[^%a-z]-|abc", "%5.3s%q|x", "[|", "%|")
}
