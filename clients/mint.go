// FARM_KEY_ID=k1 FARM_KEY=... go run mint.go farm=app member=app1 exp=$(($(date +%s) + 600)) mints an instruction cookie.
// Set it with Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode. Never keep the key in the web root.
package main

import "crypto/hmac"
import "crypto/sha256"
import "encoding/base64"
import "net/url"
import "os"
import "strings"

func Mint(kid, key string, fields url.Values) string {
	signed := "v1." + kid + "." + base64.RawURLEncoding.EncodeToString([]byte(fields.Encode()))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func main() {
	kid, key, fields := os.Getenv("FARM_KEY_ID"), os.Getenv("FARM_KEY"), url.Values{}
	for _, argument := range os.Args[1:] {
		name, value, found := strings.Cut(argument, "=")
		if !found || kid == "" || key == "" {
			panic("usage: FARM_KEY_ID=KID FARM_KEY=KEY go run mint.go name=value ...")
		}
		fields.Add(name, value)
	}
	os.Stdout.WriteString(Mint(kid, key, fields) + "\n")
}
