import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.model.StreamingResponseHandler;
import dev.langchain4j.model.chat.ChatLanguageModel;
import dev.langchain4j.model.chat.StreamingChatLanguageModel;
import dev.langchain4j.model.jlama.JlamaChatModel;
import dev.langchain4j.model.jlama.JlamaStreamingChatModel;
import dev.langchain4j.model.output.Response;
import java.nio.file.Path;

/** Code for LangChain4j's Jlama models that has never heard of KVP4J. */
public class UpstreamChat {
  public static void main(String[] args) {
    Path cache = Path.of(args[0]);
    String name = args[1];
    ChatLanguageModel chat =
        JlamaChatModel.builder()
            .modelCachePath(cache)
            .modelName(name)
            .temperature(0f)
            .maxTokens(64)
            .build();
    System.out.println("answer=" + oneLine(chat.generate("What is the capital of France?")));

    StreamingChatLanguageModel streaming =
        JlamaStreamingChatModel.builder()
            .modelCachePath(cache)
            .modelName(name)
            .temperature(0f)
            .maxTokens(300)
            .build();
    String document = "The bridge at the lower ford was begun in the spring. ".repeat(15);
    ask(streaming, document + "When was the bridge begun?");
  }

  private static void ask(StreamingChatLanguageModel model, String question) {
    long start = System.nanoTime();
    model.generate(
        question,
        new StreamingResponseHandler<>() {
          private boolean first = true;

          @Override
          public void onNext(String token) {
            if (first) {
              System.out.println("first token ms=" + (System.nanoTime() - start) / 1_000_000);
              first = false;
            }
          }

          @Override
          public void onComplete(Response<AiMessage> response) {
            System.out.println("tokens=" + response.tokenUsage().inputTokenCount());
          }

          @Override
          public void onError(Throwable error) {
            throw new IllegalStateException(error);
          }
        });
  }

  private static String oneLine(String text) {
    return text.replace('\n', ' ');
  }
}
