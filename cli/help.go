package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Help is written here and not by cobra's templates: package text/template calls methods by
// name, and the linker then keeps every method of the whole broker.

// help writes all that is to be told about a command.
func help(c *cobra.Command, _ []string) {
	// Help that cannot be written has no other reader to tell.
	_ = write(c.OutOrStdout(), helpText(c))
}

// helpText is a command in words: what it does, how it is called, what is below it, its flags.
func helpText(c *cobra.Command) string {
	var b strings.Builder
	about := c.Long
	if about == "" {
		about = strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", about, usageLine(c))
	if below := told(c); len(below) > 0 {
		b.WriteString("\nCommands:\n")
		for _, sub := range below {
			fmt.Fprintf(&b, "  %-*s  %s\n", c.NamePadding(), sub.Name(), sub.Short)
		}
	}
	if len(c.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso called:\n  %s\n", strings.Join(c.Aliases, ", "))
	}
	if c.Example != "" {
		fmt.Fprintf(&b, "\nExample:\n%s\n", c.Example)
	}
	c.InitDefaultHelpFlag()
	c.Flags().Lookup("help").Usage = "show this"
	if flags := c.LocalFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(&b, "\nFlags:\n%s", flags)
	}
	if flags := c.InheritedFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(&b, "\nWhere:\n%s", flags)
	}
	return b.String()
}

// usageLine is how a command is written.
func usageLine(c *cobra.Command) string {
	if c.HasSubCommands() {
		return c.CommandPath() + " COMMAND"
	}
	_, args, _ := strings.Cut(c.Use, " ")
	return strings.TrimSpace(c.CommandPath() + " " + args)
}

// told are the commands below one that help tells of.
func told(c *cobra.Command) []*cobra.Command {
	var below []*cobra.Command
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			below = append(below, sub)
		}
	}
	return below
}
