package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// quietLogging is the log4j configuration of every JVM the tests start: warnings and
// errors on the error stream, away from what the tools print.
const quietLogging = `Configuration:
  status: error
  Appenders:
    Console:
      name: STDERR
      target: SYSTEM_ERR
      PatternLayout:
        pattern: "%d{HH:mm:ss.SSS} %p %c{1} %m%n"
  Loggers:
    Root:
      level: warn
      AppenderRef:
        ref: STDERR
`

// Java is a set of jars, with what a JVM needs to run a class of theirs.
type Java struct {
	dir     string
	classes string // a folder of compiled programs that comes before them, if any
}

// KafkaServer installs the jars of Apache Kafka's broker.
func KafkaServer(ctx context.Context) (Java, error) {
	return jars(ctx, "kafka-server-"+KafkaVersion,
		"org.apache.kafka:kafka_2.13:"+KafkaVersion)
}

// KafkaTools installs the jars of Apache Kafka's command line tools.
func KafkaTools(ctx context.Context) (Java, error) {
	return jars(ctx, "kafka-tools-"+KafkaToolsVersion,
		"org.apache.kafka:kafka-tools:"+KafkaToolsVersion,
		"org.apache.kafka:kafka_2.13:"+KafkaToolsVersion)
}

// KafkaClients installs the jars of the Java client in one of its versions, with the
// codecs it does not bring itself.
func KafkaClients(ctx context.Context, version string) (Java, error) {
	return jars(ctx, "kafka-clients-"+version, "org.apache.kafka:kafka-clients:"+version,
		"com.fasterxml.jackson.core:jackson-databind:2.19.0")
}

// KafkaStreams installs the jars of Kafka Streams.
func KafkaStreams(ctx context.Context) (Java, error) {
	return jars(ctx, "kafka-streams-"+KafkaToolsVersion, "org.apache.kafka:kafka-streams:"+KafkaToolsVersion)
}

// KafkaConnect installs the jars of Kafka Connect, of its file connectors and of
// MirrorMaker 2.
func KafkaConnect(ctx context.Context) (Java, error) {
	of := func(part string) string { return "org.apache.kafka:" + part + ":" + KafkaToolsVersion }
	return jars(ctx, "kafka-connect-"+KafkaToolsVersion, of("connect-runtime"), of("connect-file"), of("connect-mirror"), of("connect-json"))
}

// DebeziumPostgres installs Debezium's connector for PostgreSQL, and returns the folder
// that is Connect's plugin.path.
func DebeziumPostgres(ctx context.Context) (plugins string, err error) {
	return install("debezium-postgres-"+DebeziumVersion, func(dir string) error {
		if err := Programs(ctx, "mvn", "tar"); err != nil {
			return err
		}
		if _, err := run(ctx, dir, "mvn", "-q", "-B", "dependency:copy", "-DoutputDirectory="+dir,
			"-Dartifact=io.debezium:debezium-connector-postgres:"+DebeziumVersion+":tar.gz:plugin"); err != nil {
			return err
		}
		archive := filepath.Join(dir, "debezium-connector-postgres-"+DebeziumVersion+"-plugin.tar.gz")
		if _, err := run(ctx, dir, "tar", "-xzf", archive); err != nil {
			return err
		}
		return os.Remove(archive)
	})
}

// SchemaLibraries installs the jars that other schema registries read, write and compare
// schemas with.
func SchemaLibraries(ctx context.Context) (Java, error) {
	return jars(ctx, "schema-libraries-1",
		"org.apache.avro:avro:1.12.2",
		"com.squareup.wire:wire-schema-jvm:6.4.5",
		"com.fasterxml.jackson.core:jackson-databind:2.23.0")
}

// ClassPath is what the java command takes as -cp.
func (j Java) ClassPath() string {
	jars := filepath.Join(j.dir, "lib") + "/*"
	if j.classes == "" {
		return jars
	}
	return j.classes + ":" + jars
}

// Compile compiles sources into the folder classes, and returns the jars with them.
func (j Java) Compile(ctx context.Context, classes string, sources ...string) (Java, error) {
	if err := Programs(ctx, "javac"); err != nil {
		return Java{}, err
	}
	_, err := run(ctx, "", "javac", append([]string{"-cp", j.ClassPath(), "-d", classes}, sources...)...)
	return Java{j.dir, classes}, err
}

func jars(ctx context.Context, name string, artifacts ...string) (Java, error) {
	artifacts = append(artifacts,
		"org.apache.logging.log4j:log4j-slf4j-impl:"+log4jVersion,
		"org.apache.logging.log4j:log4j-core:"+log4jVersion,
		// log4j reads YAML only with these beside it.
		"com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.19.0")
	if err := Programs(ctx, "java"); err != nil {
		return Java{}, err
	}
	dir, err := install(name, func(dir string) error {
		if err := Programs(ctx, "mvn"); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "log4j2.yaml"), []byte(quietLogging), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "pom.xml"), []byte(pom(artifacts)), 0o644); err != nil {
			return err
		}
		_, err := run(ctx, dir, "mvn", "-q", "-B", "dependency:copy-dependencies",
			"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "lib"))
		return err
	})
	return Java{dir: dir}, err
}

func pom(artifacts []string) string {
	var deps strings.Builder
	for _, a := range artifacts {
		part := strings.Split(a, ":")
		fmt.Fprintf(&deps, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n",
			part[0], part[1], part[2])
	}
	return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>parts</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
` + deps.String() + "</dependencies></project>\n"
}

// Command is the command line that runs a class: heapMiB is the JVM's heap limit.
// Tools live for seconds, so they start with one compiler and one collector thread.
func (j Java) Command(class string, heapMiB int, args ...string) Command {
	return Command{Path: "java", Args: append(append(j.options(heapMiB),
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", class), args...)}
}

// ServerCommand is Command for a program that lives long, tuned as Kafka's own start
// script does it.
func (j Java) ServerCommand(class string, heapMiB int, args ...string) Command {
	return Command{Path: "java", Args: append(append(j.options(heapMiB),
		"-server", fmt.Sprintf("-Xms%dm", heapMiB), "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
		"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", class), args...)}
}

func (j Java) options(heapMiB int) []string {
	return []string{
		fmt.Sprintf("-Xmx%dm", heapMiB), "-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + filepath.Join(j.dir, "log4j2.yaml"),
		"-cp", j.ClassPath(),
	}
}
