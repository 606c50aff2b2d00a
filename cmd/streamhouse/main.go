// Command streamhouse is the broker and its command line in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/mattn/go-isatty"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/cli"
	"github.com/streamhouse/streamhouse/client"
	"github.com/streamhouse/streamhouse/server"
	"github.com/streamhouse/streamhouse/server/logging"
	"github.com/streamhouse/streamhouse/server/settings"
)

func main() { os.Exit(run(os.Args[1:])) }

// Exit codes of the server besides 0, 1 for a failure, and 2 for a command line that cannot be
// used; commands have those of package cli. 2 is also how Go ends a process that panics, so settings have a code of their own: an init
// system starts a broker anew after the one and not after the other.
const (
	// exitCutOff: a stop ran out of time, and the process ended as if it had been killed.
	exitCutOff = 3
	// exitSettings: the settings cannot be used (EX_CONFIG of sysexits.h).
	exitSettings = 78
)

// run returns the exit code.
func run(args []string) int {
	if len(args) > 0 && args[0] == "--version" {
		return printVersion(nil)
	}
	return cli.Run(args, cli.Process{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Terminal: isatty.IsTerminal(os.Stdin.Fd()), Getenv: os.Getenv, CreateUser: createUser,
	},
		cli.Outside{Name: "server", Short: "start the broker", Help: settings.Usage, Run: serve},
		cli.Outside{Name: "version", Short: "print the version (also --version)", Run: printVersion},
		cli.Outside{Name: "recover", Hidden: true, Run: recoverMetadata},
	)
}

// createUser makes a user in a data folder.
func createUser(ctx context.Context, data string, n client.NewUser) error {
	return server.CreateUser(ctx, data, n.Name, n.Mechanism, n.Password, n.Iterations, n.Replace)
}

func printVersion([]string) int {
	fmt.Println("streamhouse", version())
	return 0
}

// recoverMetadata says what to do instead: the broker's own errors name the command, so
// whoever types it deserves more than "no command".
func recoverMetadata([]string) int {
	fmt.Fprintln(os.Stderr, "streamhouse: recover is not built yet: restore the metadata store from a backup (docs/operations.md, \"Damage\")")
	return 1
}

func serve(args []string) int {
	if slices.Contains(args, "--version") {
		fmt.Println("streamhouse", version())
		return 0
	}
	set, err := settings.Load(args, os.Environ())
	if errors.Is(err, settings.ErrHelp) {
		fmt.Print(settings.Usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "streamhouse: the settings cannot be used:\n%v\n", err)
		return exitSettings
	}
	if slices.Contains(args, settings.PrintConfig) {
		for _, w := range set.Warnings() {
			fmt.Fprintf(os.Stderr, "streamhouse: %s\n", w)
		}
		if err := set.Print(os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "streamhouse: %v\n", err)
			return 1
		}
		return 0
	}
	b := set.Broker()
	logger, err := logging.New(logging.Options{Level: b.String("log.level"), Format: b.String("log.format")})
	if err != nil {
		fmt.Fprintf(os.Stderr, "streamhouse: %v\n", err)
		return exitSettings
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once: durability does not need a clean stop.
	context.AfterFunc(ctx, stop)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	err = server.RunOn(ctx, server.Seams{Reload: reload}, set, logger, func() {})
	switch {
	case errors.Is(err, server.ErrCutOff):
		// What still runs is ended with the process: it must not go on beside a close.
		logger.Error("the stop ran out of time: the process ends as if it were killed, and the next start recovers", zap.Error(err))
		return exitCutOff
	case err != nil:
		logger.Error("the broker ended", zap.Error(err))
		return 1
	}
	logger.Info("the broker stopped in order")
	return 0
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "development"
}
