#include <sys/prctl.h>

// A thread's slack, in ns, is inherited by those that it starts, so it must be set on the first
// thread before there are others: https://man7.org/linux/man-pages/man2/PR_SET_TIMERSLACK.2const.html
enum { usual = 50000, ours = 500000 };

// Where somebody has chosen another, it stays.
__attribute__((constructor)) static void set_timer_slack(void) {
	if (prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) == usual)
		(void)prctl(PR_SET_TIMERSLACK, ours, 0, 0, 0);
}
