package s3gateway
import ("testing";"os/exec";"os";"time";"io";"net/http";"strings";"context";"github.com/twmb/franz-go/pkg/kgo")
func TestTmp(t *testing.T){
 g:=Start(t,"sh")
 for _,kind:=range []string{"file","object"}{
 dir:=t.TempDir()
 run:=func()*exec.Cmd{ c:=exec.Command("/tmp/sh-test","server","--data",dir,"--listen","127.0.0.1:29092","--http","127.0.0.1:28080","--bucket",g.Location("sh",kind).String(),"--journal",kind,"--set","seal.max.age.ms=1000","--s3.access.key",AccessKey,"--s3.secret.key",SecretKey); c.Stderr=os.Stderr; c.Start(); time.Sleep(2*time.Second); return c}
 c:=run()
 cl,_:=kgo.NewClient(kgo.SeedBrokers("127.0.0.1:29092"),kgo.AllowAutoTopicCreation(),kgo.DefaultProduceTopic("t"))
 val:=make([]byte,1000)
 for range 20 { var rs []*kgo.Record; for range 500 { rs=append(rs,&kgo.Record{Value:val}) }; if err:=cl.ProduceSync(context.Background(),rs...).FirstErr();err!=nil{t.Fatal(err)} }
 time.Sleep(4*time.Second)
 c.Process.Kill(); c.Wait()
 c=run()
 cl2,_:=kgo.NewClient(kgo.SeedBrokers("127.0.0.1:29092"),kgo.ConsumeTopics("t"),kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
 n:=0; for n<10000 { f:=cl2.PollFetches(context.Background()); if f.Err()!=nil{t.Fatal(f.Err())}; n+=f.NumRecords() }
 resp,_:=http.Get("http://127.0.0.1:28080/metrics"); b,_:=io.ReadAll(resp.Body)
 for _,l:=range strings.Split(string(b),"\n"){ if strings.HasPrefix(l,"streamhouse_cache")||strings.HasPrefix(l,"streamhouse_bucket_requests"){t.Log(l)} }
 t.Log(kind,n); cl.Close(); cl2.Close(); c.Process.Signal(os.Interrupt); t.Log(c.Wait())
 }
}
