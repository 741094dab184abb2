// Package uniform is what the Go client programs share: options, the uniform log, pacing, standard input (see ../../README.md).
package uniform

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Fields are an event's keys beside time, event and client.
type Fields map[string]any

var (
	Client  string
	options = map[string]string{}
	output  sync.Mutex
	quiet   atomic.Bool
)

func init() {
	for _, arg := range os.Args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		options[key] = value
	}
	Client = Option("client", "go")
}

func Event(name string, more Fields) {
	line := Fields{"time": float64(time.Now().UnixMilli()) / 1000, "event": name, "client": Client}
	for k, v := range more {
		line[k] = v
	}
	text, _ := json.Marshal(line)
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(text))
}

// Acked logs a record's place; its offset is null when nobody told it (acks=0).
func Acked(partition int32, offset int64, value string) {
	line := Fields{"topic": Topic(), "partition": partition, "offset": offset, "value": value}
	if offset < 0 || Acks() == "0" {
		line["offset"] = nil
	}
	Event("acked", line)
}

func Failed(what string, err error, value string) {
	Event("error", Fields{"what": what, "text": err.Error(), "value": value})
}

func Polled(member int, partition int32, offset int64, value []byte) {
	Event("polled", Fields{"member": member, "topic": Topic(), "partition": partition, "offset": offset,
		"value": strings.TrimRight(string(value), " ")})
}

func Committed(member int, partition int32, offset int64) {
	Event("committed", Fields{"member": member, "topic": Topic(), "partition": partition, "offset": offset})
}

// Held logs a change of a member's partitions: assigned, revoked or lost.
func Held[P int | int32](name string, member int, partitions []P) {
	list := []string{}
	for _, p := range partitions {
		list = append(list, fmt.Sprintf("%s-%d", Topic(), p))
	}
	Event(name, Fields{"member": member, "partitions": list})
}

func Trouble(what string, member int, err error) {
	Event("error", Fields{"what": what, "member": member, "text": err.Error()})
}

// Must is for what only wrong options can cause.
func Must(err error) {
	if err != nil {
		usage(err.Error())
	}
}

func usage(why string) {
	fmt.Fprintln(os.Stderr, "usage:", why)
	os.Exit(2)
}

func Option(key, otherwise string) string {
	if v, ok := options[key]; ok {
		return v
	}
	return otherwise
}

// Choose reads an option that must be one of a few words.
func Choose(key, otherwise string, allowed ...string) string {
	v := Option(key, otherwise)
	if v != otherwise && !slices.Contains(allowed, v) {
		usage(fmt.Sprintf("%s=%s: this program knows %s", key, v, strings.Join(allowed, ", ")))
	}
	return v
}

func Number(key string, otherwise int) int {
	if n, err := strconv.Atoi(Option(key, "")); err == nil {
		return n
	}
	return otherwise
}

func Milliseconds(key string, otherwise int) time.Duration {
	return time.Duration(Number(key, otherwise)) * time.Millisecond
}

func Topic() string       { return options["topic"] }
func Group() string       { return options["group"] }
func Bootstrap() []string { return strings.Split(options["bootstrap"], ",") }
func Acks() string        { return Choose("acks", "all", "0", "1", "all") }

// Partitions are those that a member without a group reads: 0 to partitions-1.
func Partitions() []int32 {
	list := []int32{}
	for p := range Number("partitions", 1) {
		list = append(list, int32(p))
	}
	return list
}

// Idempotent is the default unless acks or the library says otherwise.
func Idempotent() bool {
	return Choose("idempotent", strconv.FormatBool(Acks() == "all"), "true", "false") == "true"
}

// Compression is empty by default: whatever the library does by itself.
func Compression() string {
	return Choose("compression", "", "none", "gzip", "snappy", "lz4", "zstd")
}

// Records calls send at the wanted rate until the count or `quiet`, and logs each record as sent before; returns how many.
func Records(send func(partition int32, name string, value []byte)) int {
	partitions, rate, count := Number("partitions", 1), float64(Number("rate", 100)), Number("count", 0)
	padding, begin, n := strings.Repeat(" ", Number("size", 0)), time.Now(), 0
	for ; !quiet.Load() && (count == 0 || n < count); n++ {
		name, partition := fmt.Sprintf("%s:%d", Client, n), int32(n%partitions)
		Event("sent", Fields{"topic": Topic(), "partition": partition, "value": name})
		send(partition, name, []byte(name+padding))
		time.Sleep(time.Until(begin.Add(time.Duration(float64(n+1) / rate * 1e9))))
	}
	return n
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version
		}
	}
	return "unknown"
}

// Run runs the wanted roles until the end of standard input.
func Run(library, module string, idempotent bool, produce func(), consume func(stop context.Context, member int)) {
	Event("start", Fields{"library": library, "version": version(module), "idempotent": idempotent})
	stop, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	if roles := Option("roles", "produce"); strings.Contains(roles, "consume") {
		for m := range Number("members", 1) {
			wait.Go(func() { consume(stop, m) })
		}
	}
	if strings.Contains(Option("roles", "produce"), "produce") {
		wait.Go(produce)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "quiet" {
			quiet.Store(true)
		}
	}
	quiet.Store(true)
	cancel()
	wait.Wait()
	Event("closed", nil)
}
