package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// settled is how long a process may take until it has received for the first time and said
// so: signs of life are some seconds apart.
const settled = time.Minute

// tiers judges what processes have left and say.
func (j *judge) tiers() {
	for _, w := range j.st.WebQueues {
		j.found("web-queues-left", queueName(w.Name), "no sign of life for "+w.Idle.Round(time.Minute).String(), "start a web tier, which sweeps them, or delete it",
			"aws sqs delete-queue --queue-url "+quote(w.URL))
	}
	if !j.st.AppsKnown || !j.Tier.Wants(App) {
		return
	}
	alive, versions := 0, []string{}
	for _, a := range j.st.Apps {
		name := "app process " + a.ID
		if a.Host != "" {
			name += " on " + a.Host
		}
		switch {
		case a.Stale:
			j.found("app-silent", name, "it has missed three signs of life", "see whether it runs, and what its log says last", "")
			continue
		case a.Draining:
			continue
		case !a.Ready && j.st.Now.Sub(a.Started) > settled:
			why := a.Reason
			if why == "" {
				why = "it gives no reason"
			}
			j.found("app-unready", name, why, "see its log; /readyz of the process says the same", "")
		}
		alive++
		if !slices.Contains(versions, a.Program) {
			versions = append(versions, a.Program)
		}
	}
	if len(versions) > 1 {
		slices.Sort(versions)
		j.found("app-versions", "app tier", strings.Join(versions, ", "), "upgrade the older", "")
	}
	waiting, _ := number(j.st.Queue.Attributes, "ApproximateNumberOfMessages")
	switch {
	case alive > 0:
		j.all = append(j.all, Finding{Group: GroupTiers, Level: OK, Resource: "app tier", Found: fmt.Sprintf("%d alive", alive)})
	case waiting > 1: // one is S3's test event, as a rule, of a deployment that is new
		j.found("app-none", "app tier", fmt.Sprintf("%d messages wait", waiting), "start one, with the same names and region", "tintype app")
	default:
		j.all = append(j.all, Finding{Group: GroupTiers, Level: Info, Resource: "app tier", Found: "no process says that it is alive; nothing waits but, at most, S3's test event"})
	}
}
