package recipe

import "testing"

// TestHashesStay pins the canonical form and the hashes. Stored results are found by
// them: where this test fails, every image of every user would be processed anew. So
// change what it expects only together with hashVersion, and mean it.
func TestHashesStay(t *testing.T) {
	book := Builtin()
	const form = `{"v":1,"steps":[{"kind":"tint","color":"#ff8800","strength":"1"}],` +
		`"outputs":[{"name":"full","format":"same"},` +
		`{"name":"large","width":1600,"height":1600,"format":"auto"},` +
		`{"name":"thumb","width":320,"height":320,"format":"auto"}]}`
	job, err := book.Resolve("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(canonical(job.Steps, job.Outputs)); got != form {
		t.Errorf("canonical form\n got %s\nwant %s", got, form)
	}
	for _, tc := range []struct {
		recipe string
		raw    map[string]string
		want   string
	}{
		{"tint", nil, "152fe158d732ccb956e1f1db7c08fcac8e3051fc7c6db6892c55cacc4a892b22"},
		{"tint", map[string]string{"tint": "#00f", "strength": "0.5"}, "feee1df1f1fba14873e2817bdcb8f2c13f801ea107d0656b90169483c6017f29"},
		{"grayscale", nil, "1dd13cf5c0f6294b9e2e4f430bab7caa43afed90207a40b8757849033710198c"},
		{"sepia", nil, "fcaa73a5303c2fba7dc25eb37ef5b1edb1cd33bc51743f68a7574e9da9b6aa23"},
		{"duotone", nil, "fa72312b96dec1c7c5911a37484c8d2e6842d1b1455a015fd4d8b4fccfa90a85"},
		{"thumbnail", nil, "6873bc370f1a128b60b1ef7a1223dce214a51333764f2b35603a755d510253e1"},
		{"web", nil, "93b75dde4aa5757348697b71458c27de8be2220b6d271e6b89ebb268ac9f5eaf"},
	} {
		job, err := book.Resolve(tc.recipe, tc.raw)
		if err != nil {
			t.Fatal(err)
		}
		if job.Hash != tc.want {
			t.Errorf("%s %v: hash %s, want %s", tc.recipe, tc.raw, job.Hash, tc.want)
		}
	}
}
