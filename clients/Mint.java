// Mints an instruction cookie: FARM_KEY_ID=k1 FARM_KEY=... java Mint.java farm=app member=app1 exp=$(($(date +%s) + 600))
// Set it with:  response.addHeader("Set-Cookie", "farm=" + value + "; Path=/; HttpOnly; Secure; SameSite=Lax");
// KID and KEY are a line KID:KEY of FarmSecretFile. No file with a key is ever to be in the web root.
import static java.nio.charset.StandardCharsets.UTF_8;
import java.net.URLEncoder;
import java.security.GeneralSecurityException;
import java.util.*;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Mint {
    /** fields: such as Map.of("farm", "app", "to", "gold", "exp", "" + (System.currentTimeMillis() / 1000 + 600)) */
    public static String mint(String kid, String key, Map<String, String> fields) throws GeneralSecurityException {
        StringJoiner payload = new StringJoiner("&");
        fields.forEach((name, value) -> payload.add(URLEncoder.encode(name, UTF_8) + "=" + URLEncoder.encode(value, UTF_8)));
        Base64.Encoder base64url = Base64.getUrlEncoder().withoutPadding();
        String signed = "v1." + kid + "." + base64url.encodeToString(payload.toString().getBytes(UTF_8));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key.getBytes(UTF_8), "HmacSHA256"));
        return signed + "." + base64url.encodeToString(mac.doFinal(signed.getBytes(UTF_8)));
    }
    public static void main(String[] args) throws GeneralSecurityException {
        String kid = System.getenv().getOrDefault("FARM_KEY_ID", ""), key = System.getenv().getOrDefault("FARM_KEY", "");
        if (kid.isEmpty() || key.isEmpty()) throw new IllegalArgumentException("FARM_KEY_ID or FARM_KEY is not set");
        Map<String, String> fields = new LinkedHashMap<>();
        for (String arg : args) fields.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
        System.out.println(mint(kid, key, fields));
    }
}
