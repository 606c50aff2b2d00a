package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/streamhouse/streamhouse/client"
	"github.com/streamhouse/streamhouse/client/profile"
)

// variable names the variable that says where the cluster is.
const variable = "STREAMHOUSE_CLI_BOOTSTRAP_SERVERS"

// defaultServer is where a broker is that was started without settings.
const defaultServer = "localhost:9092"

// errHelp ends a command line that names no command: its help was shown.
var errHelp = errors.New("help was shown")

// session is one run of the command line.
type session struct {
	Process
	servers       string   // --bootstrap-server
	commandConfig string   // --command-config
	settings      []string // -X
}

// tree returns all commands.
func tree(s *session, outside []Outside) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "streamhouse",
		Short: "A Kafka broker whose log lives in object storage, and a command line for any Kafka cluster",
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagFault)
	root.SetHelpFunc(help)
	for _, o := range outside {
		root.AddCommand(o.command())
	}
	root.AddCommand(topicCommand(s), s.clustered(produceCommand(s)), s.clustered(consumeCommand(s)), groupCommand(s), lagCommand(s), userCommand(s), sqlCommand(s))
	root.SetHelpCommand(helpCommand(root))
	return root
}

// command is an outside command's place in the tree.
func (o Outside) command() *cobra.Command {
	c := &cobra.Command{Use: o.Name, Short: o.Short, Hidden: o.Hidden, DisableFlagParsing: true, Run: func(*cobra.Command, []string) {}}
	if o.Help != "" {
		c.SetHelpFunc(func(c *cobra.Command, _ []string) { fmt.Fprint(c.OutOrStdout(), o.Help) })
	}
	return c
}

// helpCommand is "help COMMAND...", which knows near names as all else does.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND...]",
		Short: "tell about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			at := root
			for _, word := range args {
				next := child(at, word)
				if next == nil {
					return unknownCommand(at, word)
				}
				at = next
			}
			return at.Help()
		},
	}
}

// child returns the command that a word names below another; nil if there is none.
func child(of *cobra.Command, word string) *cobra.Command {
	for _, c := range of.Commands() {
		if c.Name() == word || c.HasAlias(word) {
			return c
		}
	}
	return nil
}

// group makes of c a command that only has others below it. Alone it shows its help, on
// stderr, since nothing was done.
func group(c *cobra.Command, below ...*cobra.Command) *cobra.Command {
	c.AddCommand(below...)
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		c.SetOut(c.ErrOrStderr())
		if err := c.Help(); err != nil {
			return err
		}
		return errHelp
	}
	return c
}

func unknownCommand(c *cobra.Command, word string) error {
	var names []string
	for _, below := range told(c) {
		names = append(append(names, below.Name()), below.Aliases...)
	}
	f := &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("there is no command %q", word), Next: seeHelp(c)}
	if c.HasParent() {
		f.What = fmt.Sprintf("%s has no command %q", named(c), word)
	}
	if near := client.Near(word, names); near != "" {
		f.Next = fmt.Sprintf("did you mean %q?", near)
	}
	return f
}

// named is a command's name in a sentence: errors begin with the program's already.
func named(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// seeHelp is what next where a command was not understood.
func seeHelp(c *cobra.Command) string { return fmt.Sprintf("see %q", c.CommandPath()+" --help") }

// flagFault is what is said about a flag that does not exist or cannot be read.
func flagFault(c *cobra.Command, err error) error {
	f := &client.Fault{Kind: client.Invalid, What: err.Error(), Next: seeHelp(c), Err: err}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return f
	}
	name := unknown.GetSpecifiedName()
	f.What = fmt.Sprintf("%s has no flag %q", named(c), "--"+name)
	if shorts := unknown.GetSpecifiedShortnames(); shorts != "" {
		f.What = fmt.Sprintf("%s has no flag %q", named(c), "-"+name)
		return f
	}
	var names []string
	c.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	if near := client.Near(name, names); near != "" {
		f.Next = fmt.Sprintf("did you mean --%s?", near)
	}
	return f
}

// needs returns a check of a command's arguments: at least one, and no more than most (0: any
// number). what is what they are called.
func needs(most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		f := &client.Fault{Kind: client.Invalid, Next: seeHelp(c)}
		switch {
		case len(args) == 0:
			f.What = fmt.Sprintf("%s needs a %s", named(c), what)
		case most > 0 && len(args) > most:
			f.What = fmt.Sprintf("%s takes one %s, and %q is too much", named(c), what, args[most])
		default:
			return nil
		}
		return f
	}
}

// atMost is a check that a command has no more arguments than it takes.
func atMost(most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) <= most {
			return nil
		}
		return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("%s has no use for %q", named(c), args[most]),
			Next: seeHelp(c)}
	}
}

// clustered gives c, and all below it, the flags that say where the cluster is.
func (s *session) clustered(c *cobra.Command) *cobra.Command {
	c.PersistentFlags().StringVarP(&s.servers, "bootstrap-server", "b", "", "the cluster, as `HOST:PORT[,HOST:PORT...]` (default $"+variable+", or "+defaultServer+")")
	c.PersistentFlags().StringVar(&s.commandConfig, "command-config", "", "`FILE` of client settings as Java's clients have it (client.properties): bootstrap.servers, security.protocol, sasl.*, ssl.* with PEM stores (default $"+configVariable+")")
	c.PersistentFlags().StringArrayVarP(&s.settings, "setting", "X", nil, "one such setting, as `NAME=VALUE`, before the file; may be given again; no secrets")
	return c
}

// configVariable names the variable that names a file of client settings.
const configVariable = "STREAMHOUSE_CLI_COMMAND_CONFIG"

// connect opens the cluster that flags, file, variables or the default name.
func (s *session) connect(ctx context.Context) (*client.Client, error) {
	set := profile.Settings{}
	if path := cmp.Or(s.commandConfig, s.Getenv(configVariable)); path != "" {
		var err error
		if set, err = profile.Read(path); err != nil {
			return nil, err
		}
	}
	given := profile.Settings{}
	for _, x := range s.settings {
		name, value, err := profile.ParseSetting(x)
		if err != nil {
			return nil, &client.Fault{Kind: client.Invalid, What: "-X: " + err.Error()}
		}
		given[name], set[name] = value, value
	}
	if idle := given.Idle(); len(idle) > 0 {
		return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("-X %s changes nothing here", idle[0]), Next: "docs/cli.md has the settings that act"}
	}
	cfg, err := set.Config()
	if err != nil {
		return nil, err
	}
	if where := cmp.Or(s.servers, s.Getenv(variable)); where != "" && (s.servers != "" || len(cfg.Servers) == 0) {
		cfg.Servers = nil
		for server := range strings.SplitSeq(where, ",") {
			if server = strings.TrimSpace(server); server != "" {
				cfg.Servers = append(cfg.Servers, server)
			}
		}
		if len(cfg.Servers) == 0 {
			return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("%q names no broker", where), Next: "write HOST:PORT"}
		}
	}
	if len(cfg.Servers) == 0 {
		cfg.Servers = []string{defaultServer}
	}
	return client.Open(ctx, cfg)
}

// note tells something that is not data.
func (s *session) note(format string, args ...any) { fmt.Fprintf(s.Err, format+"\n", args...) }

// each does the same to several names and tells about those that failed. If some were done
// and some not the whole is partly done; if none were, it is the first fault.
func (s *session) each(names []string, act func(name string) error) error {
	var faults []error
	for _, name := range names {
		err := act(name)
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	if len(names) == 1 {
		return faults[0]
	}
	for _, err := range faults {
		s.note("streamhouse: %v", err)
	}
	kind := client.Partly
	if len(faults) == len(names) {
		kind = client.KindOf(faults[0])
	}
	return &client.Fault{Kind: kind, What: fmt.Sprintf("%d of %d failed", len(faults), len(names)), Err: faults[0]}
}

// write is data's way out.
func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("stdout: %w", err)
	}
	return nil
}
