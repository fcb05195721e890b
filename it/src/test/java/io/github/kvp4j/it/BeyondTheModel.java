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
package io.github.kvp4j.it;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Inherited tests that are off, since a model of 135M parameters does not know what they ask for;
 * what does not depend on knowledge is tested in their place.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@ExtendWith(BeyondTheModel.Off.class)
@interface BeyondTheModel {
  /** The names of the test methods. */
  String[] value();

  /** Switches them off, and sees to it that they are there. */
  final class Off implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      Class<?> type = context.getRequiredTestClass();
      List<String> names = Arrays.asList(type.getAnnotation(BeyondTheModel.class).value());
      if (context.getTestMethod().isEmpty()) {
        List<String> unknown =
            names.stream().filter(name -> methods(type).noneMatch(name::equals)).toList();
        if (!unknown.isEmpty()) {
          throw new IllegalStateException("no such tests: " + unknown);
        }
        return ConditionEvaluationResult.enabled("");
      }
      return names.contains(context.getRequiredTestMethod().getName())
          ? ConditionEvaluationResult.disabled("a model of 135M parameters does not know this")
          : ConditionEvaluationResult.enabled("");
    }

    private static Stream<String> methods(Class<?> type) {
      return Stream.<Class<?>>iterate(type, c -> c != null, Class::getSuperclass)
          .flatMap(c -> Arrays.stream(c.getDeclaredMethods()))
          .map(Method::getName);
    }
  }
}
