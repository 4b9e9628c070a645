package isolate

import "fmt"

// Status is what confines imaging processes on this machine.
type Status struct {
	Landlock   int  // version of Landlock that confines files, 0: none
	Seccomp    bool // a filter of system calls
	NoNewPrivs bool // nothing that is run can gain privileges
	Memory     bool // memory per image is limited
	// Lacks are what does not hold, in words for an operator; empty: all does.
	Lacks []string
}

// Full says that everything holds.
func (s Status) Full() bool { return len(s.Lacks) == 0 }

func (s *Status) lack(format string, args ...any) {
	s.Lacks = append(s.Lacks, fmt.Sprintf(format, args...))
}

func (s Status) String() string {
	text := "files: "
	switch {
	case s.Landlock > 0:
		text += fmt.Sprintf("Landlock %d", s.Landlock)
	case s.Seccomp:
		text += "none can be opened"
	default:
		text += "not confined"
	}
	if s.Seccomp {
		text += "; system calls: filtered"
	} else {
		text += "; system calls: not filtered"
	}
	if s.Memory {
		return text + "; memory: limited"
	}
	return text + "; memory: not limited"
}
