package doctor

import (
	"fmt"
	"time"
)

// What SNS and SQS allow a clock to be off, and what is worth a word.
const (
	skewWrong = 5 * time.Minute
	skewOff   = time.Minute
)

// access judges endpoint, credentials and clock, and names what could not be looked at.
func (j *judge) access() {
	s := j.st
	if s.Fatal != nil {
		j.all = append(j.all, *s.Fatal)
	}
	if s.Identity != "" {
		j.all = append(j.all, Finding{Group: GroupAccess, Level: OK, Resource: "credentials", Found: s.Identity})
	}
	if s.ClockKnown {
		off, way := s.Skew, "ahead of"
		if off < 0 {
			off, way = -off, "behind"
		}
		what := fmt.Sprintf("this clock is %.0f s %s the service's", off.Seconds(), way)
		mend := "set the clock, or have it set: timedatectl set-ntp true"
		switch {
		case off > skewWrong:
			j.found("clock-wrong", "clock", what, mend, "")
		case off > skewOff:
			j.found("clock-off", "clock", what, mend, "")
		default:
			j.all = append(j.all, Finding{Group: GroupAccess, Level: OK, Resource: "clock", Found: fmt.Sprintf("within %.0f s of the service's", max(off.Seconds(), 1))})
		}
	}
	for _, k := range s.Lacks {
		who := "the " + string(k.Tier) + " tier needs"
		if k.Tier == All {
			who = "both tiers need"
		}
		f := j.found("access-denied", k.Resource, fmt.Sprintf("%s is refused to these credentials, which %s for %s", k.Action, who, k.For),
			"give the tier's role "+k.Action+", and see that no policy of the resource denies it", "")
		if j.Tier == All || j.Tier == "" {
			f.Level, f.Mend = Info, "as it should be where the tiers have roles of their own: with such a role's credentials --tier web or --tier app tells"
		}
	}
	for _, r := range s.Refused {
		if r.Err == "" {
			j.found("unchecked", r.Resource, "could not be checked: needs "+r.Action, "run the doctor with credentials that may", "")
		} else {
			j.found("unchecked", r.Resource, fmt.Sprintf("could not be checked: %s failed: %s", r.Action, r.Err), "", "")
		}
	}
}
