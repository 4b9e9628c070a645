package timerslack

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const tell = "TINTYPE_TEST_TIMERSLACK"

func TestMain(m *testing.M) {
	if os.Getenv(tell) != "" {
		fmt.Println(slack())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// slack is that of the calling thread, ns.
func slack() int {
	n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return -1
	}
	return n
}

// Each thread has ours, however late it started.
func TestThreads(t *testing.T) {
	var wg, all sync.WaitGroup
	all.Add(20)
	for range 20 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			all.Done()
			all.Wait() // so that each has a thread of its own
			if n := slack(); n != 500_000 {
				t.Errorf("thread %d has %d ns", unix.Gettid(), n)
			}
		})
	}
	wg.Wait()
}

// What somebody has chosen for the program stays.
func TestAnotherChoiceStays(t *testing.T) {
	runtime.LockOSThread() // the new process inherits from this thread, which ends with the test
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 70_000, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), tell+"=1")
	out, err := cmd.Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "70000" {
		t.Errorf("it has %q ns, %v", got, err)
	}
}
