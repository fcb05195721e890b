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

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.util.List;
import org.jspecify.annotations.NullMarked;

/** What may depend on what, and that no package escapes the null check. */
@AnalyzeClasses(packages = "io.github.kvp4j", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

  @ArchTest
  static final ArchRule coreKnowsNeitherJlamaNorLangChain4j =
      noClasses()
          .that()
          .resideInAnyPackage(
              "io.github.kvp4j",
              "io.github.kvp4j.model..",
              "io.github.kvp4j.kernel..",
              "io.github.kvp4j.prefill..",
              "io.github.kvp4j.predictor..",
              "io.github.kvp4j.calibration..",
              "io.github.kvp4j.evaluation..",
              "io.github.kvp4j.training..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("com.github.tjake..", "dev.langchain4j..")
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule jlamaAndCliDoNotKnowLangChain4j =
      noClasses()
          .that()
          .resideInAnyPackage(
              "io.github.kvp4j.jlama..",
              "io.github.kvp4j.tools..",
              "io.github.kvp4j.server..",
              "io.github.kvp4j.cli..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("dev.langchain4j..")
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule onlyTrainingKnowsDjl =
      noClasses()
          .that()
          .resideOutsideOfPackage("io.github.kvp4j.training..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("ai.djl..");

  @ArchTest
  static final ArchRule packagesHaveNoCycles =
      slices().matching("io.github.kvp4j.(*)..").should().beFreeOfCycles().allowEmptyShould(true);

  /** NullAway looks only into packages marked with {@link NullMarked}, so each has to be. */
  @ArchTest
  static void everyPackageIsNullMarked(JavaClasses classes) {
    List<JavaPackage> packages = classes.stream().map(JavaClass::getPackage).distinct().toList();
    assertThat(packages).as("packages found").isNotEmpty();
    assertThat(packages)
        .as("packages whose package-info.java lacks @NullMarked")
        .filteredOn(javaPackage -> !javaPackage.isAnnotatedWith(NullMarked.class))
        .extracting(JavaPackage::getName)
        .isEmpty();
  }
}
