/*
 * Copyright 2026 The KVP4J authors
 *
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
 * in compliance with the License. You may obtain a copy of the License at
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software distributed under the License
 * is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
 * or implied. See the License for the specific language governing permissions and limitations under
 * the License.
 */
package io.github.kvp4j.predictor;

import static io.github.kvp4j.predictor.PredictorFiles.dataStart;
import static io.github.kvp4j.predictor.PredictorFiles.header;
import static io.github.kvp4j.predictor.PredictorFiles.join;
import static io.github.kvp4j.predictor.PredictorFiles.tensors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Ways to spoil a file; all but the first few keep the header's length right. */
enum PredictorFileMutation {
  FLIP_BITS {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      byte[] out = good.clone();
      for (int i = random.nextInt(8); i >= 0; i--) {
        out[random.nextInt(out.length)] ^= (byte) (1 << random.nextInt(8));
      }
      return out;
    }
  },
  RANDOM_BYTES {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      byte[] out = good.clone();
      int from = random.nextInt(out.length);
      for (int i = from; i < Math.min(out.length, from + 1 + random.nextInt(40)); i++) {
        out[i] = (byte) random.nextInt();
      }
      return out;
    }
  },
  CUT_OR_GROW {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      return Arrays.copyOf(good, random.nextInt(2 * good.length));
    }
  },
  MOVE_BYTES {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      byte[] out = good.clone();
      int length = 1 + random.nextInt(64);
      int from = random.nextInt(out.length - length);
      int to = random.nextInt(out.length - length);
      System.arraycopy(good, from, out, to, length);
      return out;
    }
  },
  HEADER_LENGTH {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      long[] values = {
        0,
        1,
        2,
        7,
        8,
        good.length - 8,
        good.length - 7,
        good.length,
        1 << 20,
        16 << 20,
        (16 << 20) + 1,
        Integer.MAX_VALUE,
        1L << 31,
        1L << 32,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        -1,
        -8,
        random.nextLong(),
        random.nextInt(good.length),
        dataStart(good) - 9,
        dataStart(good) - 7
      };
      byte[] out = good.clone();
      ByteBuffer.wrap(out)
          .order(ByteOrder.LITTLE_ENDIAN)
          .putLong(0, values[random.nextInt(values.length)]);
      return out;
    }
  },
  TENSOR_FIELD {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      ObjectNode root = header(good);
      ObjectNode tensor = (ObjectNode) root.get(anyTensor(root, random));
      String[] fields = {"dtype", "shape", "data_offsets", "other"};
      String field = fields[random.nextInt(fields.length)];
      switch (random.nextInt(4)) {
        case 0 -> tensor.remove(field);
        case 1 -> tensor.set(field, hostile(random));
        case 2 -> tensor.set(field, oneOrTwo(random));
        default ->
            tensor.put("dtype", oneOf(random, "F16", "F64", "I8", "BF16", "F32", "", "bf16"));
      }
      return join(root.toString(), good);
    }
  },
  ONE_NUMBER {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      ObjectNode root = header(good);
      JsonNode tensor = root.get(anyTensor(root, random));
      ArrayNode list = (ArrayNode) tensor.get(random.nextBoolean() ? "shape" : "data_offsets");
      int at = random.nextInt(list.size());
      long old = list.get(at).longValue();
      long[] values = {
        0,
        1,
        -1,
        old - 1,
        old + 1,
        old * 2,
        old / 2,
        -old,
        Integer.MAX_VALUE,
        1L << 31,
        1L << 32,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        random.nextInt(200)
      };
      list.set(at, values[random.nextInt(values.length)]);
      return join(root.toString(), good);
    }
  },
  SWAP_TENSORS {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      ObjectNode root = header(good);
      String a = anyTensor(root, random);
      String b = anyTensor(root, random);
      JsonNode first = root.get(a);
      JsonNode second = root.get(b);
      if (random.nextBoolean()) {
        root.set(a, second);
        root.set(b, first);
      } else {
        String field = oneOf(random, "shape", "dtype", "data_offsets");
        JsonNode kept = first.get(field);
        ((ObjectNode) first).set(field, second.get(field));
        ((ObjectNode) second).set(field, kept);
      }
      return join(root.toString(), good);
    }
  },
  TENSOR_NAME {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      ObjectNode root = header(good);
      String name = anyTensor(root, random);
      String[] names = {
        "",
        "x",
        "layers.2.key",
        "layers.999999.key.weight",
        "layers.-1.key.weight",
        "layers.99999999999.key.weight",
        "linearised.7.weight",
        "../../x",
        "a\u0000b",
        "é漢🙂\ud800",
        "x".repeat(5000),
        name + " ",
        name.replace("key", "value"),
        "linearised.1.weight",
        "__metadata__"
      };
      JsonNode value = root.get(name);
      switch (random.nextInt(3)) {
        case 0 -> root.remove(name);
        case 1 -> {
          root.remove(name);
          root.set(names[random.nextInt(names.length)], value);
        }
        default -> root.set(names[random.nextInt(names.length)], value.deepCopy());
      }
      return join(root.toString(), good);
    }
  },
  METADATA {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      ObjectNode root = header(good);
      ObjectNode meta = (ObjectNode) root.get("__metadata__");
      List<String> keys = new ArrayList<>();
      meta.fieldNames().forEachRemaining(keys::add);
      String key = keys.get(random.nextInt(keys.size()));
      switch (random.nextInt(5)) {
        case 0 -> meta.remove(key);
        case 1 -> meta.set(key, hostile(random));
        case 2 -> meta.put(keys.get(random.nextInt(keys.size())), meta.get(key).asText());
        case 3 -> root.set("__metadata__", hostile(random));
        default ->
            meta.put(
                key,
                oneOf(
                    random,
                    "",
                    " ",
                    "-1",
                    "0",
                    "1",
                    "2",
                    "3",
                    "999999",
                    "1000000",
                    "1,2",
                    "0,0",
                    "2,1",
                    ",",
                    "1,",
                    "1.0",
                    "1e3",
                    "0x1",
                    "٣",
                    "null",
                    "{}",
                    "[]",
                    "[null]",
                    "[{}]",
                    "{\"a\":null}",
                    "{\"a\":1}",
                    "{\"a\":[]}",
                    "[{\"anchors\":null,\"task\":\"text\"}]",
                    "[{\"kl\":\"NaN\"}]",
                    "[{\"anchors\":\"4/1/0\",\"task\":\"text\",\"kl\":1e999,\"prompts\":1e99}]",
                    "[{\"prompts\":1.5}]",
                    "[{\"unknown\":1}]",
                    "[".repeat(2000),
                    "0,".repeat(20_000),
                    "x".repeat(100_000)));
      }
      return join(root.toString(), good);
    }
  },
  DEEP_JSON {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      int depth = random.nextInt(50) == 0 ? 100_000 : 2 + random.nextInt(1200);
      String open = random.nextBoolean() ? "[" : "{\"a\":";
      String deep = open.repeat(depth) + (random.nextBoolean() ? "1" : "");
      String close =
          (open.equals("[") ? "]" : "}").repeat(random.nextBoolean() ? depth : depth - 1);
      String text = header(good).toString();
      String nested = deep + close;
      return join(
          switch (random.nextInt(3)) {
            case 0 -> nested;
            case 1 -> text.replaceFirst("\"shape\":\\[", "\"shape\":" + nested + ",\"was\":[");
            default -> text.substring(0, text.length() - 1) + ",\"deep\":" + nested + "}";
          },
          good);
    }
  },
  DUPLICATE_KEY {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      ObjectNode root = header(good);
      String text = root.toString();
      String name = anyTensor(root, random);
      String again =
          switch (random.nextInt(3)) {
            case 0 -> ",\"" + name + "\":" + root.get(name) + "}";
            case 1 -> ",\"__metadata__\":{\"format\":\"other\"}}";
            default -> ",\"" + name + "\":{}}";
          };
      return join(
          random.nextInt(3) == 0
              ? text.replaceFirst("\"dtype\":", "\"dtype\":\"F32\",\"dtype\":")
              : text.substring(0, text.length() - 1) + again,
          good);
    }
  },
  HEADER_TEXT {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      StringBuilder text = new StringBuilder(header(good).toString());
      for (int i = random.nextInt(3); i >= 0; i--) {
        int at = random.nextInt(text.length());
        String letters = "{}[]\",:0123456789.eE-+ntfu\\/ \n\t\u0000é🙂";
        char c = letters.charAt(random.nextInt(letters.length()));
        switch (random.nextInt(3)) {
          case 0 -> text.deleteCharAt(at);
          case 1 -> text.insert(at, c);
          default -> text.setCharAt(at, c);
        }
      }
      return join(text.toString(), good);
    }
  },
  HUGE_NUMBER {
    @Override
    byte[] apply(byte[] good, SplittableRandom random) {
      String number =
          oneOf(
              random,
              "99999999999999999999",
              "1e999",
              "-1e999",
              "1e3",
              "4.0",
              "0.5",
              "-0",
              "9223372036854775808",
              "1" + "0".repeat(900),
              "1" + "0".repeat(20_000),
              "01",
              "1_000",
              "0x10",
              "NaN",
              "Infinity",
              "1e-999",
              "18446744073709551616");
      String text = header(good).toString();
      List<Integer> starts = new ArrayList<>();
      for (int i = 1; i < text.length(); i++) {
        if (Character.isDigit(text.charAt(i)) && "[,:".indexOf(text.charAt(i - 1)) >= 0) {
          starts.add(i);
        }
      }
      int from = starts.get(random.nextInt(starts.size()));
      int to = from;
      while (Character.isDigit(text.charAt(to))) {
        to++;
      }
      return join(text.substring(0, from) + number + text.substring(to), good);
    }
  };

  abstract byte[] apply(byte[] good, SplittableRandom random);

  private static final ObjectMapper JSON = new ObjectMapper();

  private static JsonNode hostile(SplittableRandom random) {
    ArrayNode list = JSON.createArrayNode();
    for (int i = random.nextInt(5); i > 0; i--) {
      list.add(random.nextInt(-2, 9));
    }
    return switch (random.nextInt(9)) {
      case 0 -> JSON.nullNode();
      case 1 -> JSON.createObjectNode();
      case 2 -> JSON.createArrayNode();
      case 3 -> new TextNode("x".repeat(random.nextInt(300)));
      case 4 -> JSON.getNodeFactory().numberNode(random.nextLong());
      case 5 -> JSON.getNodeFactory().numberNode(random.nextDouble());
      case 6 -> JSON.getNodeFactory().booleanNode(true);
      case 7 -> JSON.createArrayNode().add("1").add("2");
      default -> list;
    };
  }

  private static JsonNode oneOrTwo(SplittableRandom random) {
    ArrayNode list = JSON.createArrayNode().add(random.nextInt(9));
    return random.nextBoolean() ? list : list.add(random.nextInt(200));
  }

  private static String oneOf(SplittableRandom random, String... values) {
    return values[random.nextInt(values.length)];
  }

  private static String anyTensor(ObjectNode root, SplittableRandom random) {
    List<String> names = tensors(root);
    return names.get(random.nextInt(names.size()));
  }
}
