package isolate

import "os"

// inherited are the variables that a child gets from its parent's environment: how its
// libraries are found. Nothing else is, credentials least of all.
var inherited = []string{"LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"}

// environment is the whole environment of a child.
func environment() []string {
	env := []string{
		"LANG=C.UTF-8",
		"MALLOC_ARENA_MAX=2", // glibc's arenas: each thread's own would keep what it frees
		// libvips decodes what is larger than 100 MB into a file in /tmp unless it is told not
		// to; a child can write no file.
		"VIPS_DISC_THRESHOLD=1000g",
		"GOTRACEBACK=none",
		"GOMAXPROCS=2", // one computes, one collects garbage
	}
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, moreEnvironment...)
}

// moreEnvironment is for tests that compare allocators.
var moreEnvironment []string
