package cli

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/streamhouse/streamhouse/client"
)

// ask asks whether to go on. Where nobody can answer it refuses.
func (s *session) ask(question string) error {
	no := &client.Fault{Kind: client.Invalid, What: "nothing was changed"}
	if !s.Terminal {
		no.Why, no.Next = "this asks first, and there is no terminal to ask on", "give --yes, or --dry-run to see what would be done"
		return no
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(s.In).ReadString('\n') // no answer is no
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	no.Why = "the answer was not yes"
	return no
}
